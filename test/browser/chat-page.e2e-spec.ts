import { jest } from '@jest/globals';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/deadline.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page', (stage) => {
  it('carries messages between two people live, and shows both their receipts', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await alice.write('bob', 'did the rope hold?');
    await alice.sees('to bob', 'did the rope hold?', 'delivered');
    await bob.sees(/^alice · \d\d:\d\d/, 'did the rope hold?');
    await bob.write('alice', 'it did');
    await bob.sees('to alice', 'it did', 'delivered');
    await alice.sees('bob', 'it did');
    expect(await alice.contents()).toEqual(['did the rope hold?', 'it did']);
    expect(await alice.page.locator('.waited').count()).toBe(0);
  });

  it('keeps the recipient for the next message', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', 'one');
    const field = alice.page.getByRole('textbox', { name: 'Message', exact: true });
    await field.fill('two');
    await alice.page.getByRole('button', { name: 'Send', exact: true }).click();
    await alice.sees('to bob', 'two', 'stored');
    expect(await alice.contents()).toEqual(['one', 'two']);
  });

  it('hands over what waited in order, marked and with its time, before anything live', async () => {
    const alice = await stage.arrive('alice');
    let bob = await stage.arrive('bob');
    await bob.page.getByRole('button', { name: 'Disconnect' }).click();
    await bob.untilStatus('offline: you disconnected');
    await bob.page.close();
    const times: (string | null)[] = [];
    for (const content of ['first', 'second', 'third']) {
      await alice.write('bob', content);
      const row = await alice.sees(content, 'stored');
      times.push(await row.locator('time').getAttribute('datetime'));
    }
    bob = await stage.arrive('bob');
    await bob.sees('3 waited for you');
    await alice.write('bob', 'live');
    await bob.sees(/^alice · \d\d:\d\dlive$/);
    expect(await bob.contents()).toEqual(['first', 'second', 'third', 'live']);
    const late = bob.rows.filter({ hasText: /waited \d+ s/ });
    expect(await late.locator('.content').allTextContents()).toEqual(['first', 'second', 'third']);
    const shown = await late.locator('time').all();
    expect(await Promise.all(shown.map((time) => time.getAttribute('datetime')))).toEqual(times);
  });

  it('brings a message to everyone who is online', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    const carol = await stage.arrive('carol');
    await alice.write(null, 'all hands on deck');
    await alice.sees('to everyone', 'all hands on deck', 'sent to 3');
    await bob.sees('alice to everyone', 'all hands on deck');
    await carol.sees('alice to everyone', 'all hands on deck');
    expect(await alice.contents()).toEqual(['all hands on deck']);
  });

  it('shows what people write and how they are called as text, never as HTML', async () => {
    const html = '<img src=x onerror="window.ran = true"><script>window.ran = true</script><b>bold</b>';
    const mallory = await stage.arrive(`<b onclick='ran()'>m</b>`);
    const bob = await stage.arrive('bob');
    await mallory.write('bob', html);
    await mallory.write(null, html);
    await mallory.sees('to everyone', 'sent to 2');
    await bob.sees(`${mallory.name} to everyone`, html);
    expect(await bob.contents()).toEqual([html, html]);
    expect(await mallory.contents()).toEqual([html, html]);
    for (const { page } of [bob, mallory]) {
      expect(await page.locator('main img, main script, main b').count()).toBe(0);
      expect(await page.evaluate('window.ran')).toBeUndefined();
    }
  });

  it('shows why the server refused a message', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob|carol', 'to both of you');
    await alice.sees('to both of you', 'refused: a user name is 1 to 128 bytes');
    await alice.write('bob', 'only to you');
    await alice.sees('only to you', 'stored');
    expect(await alice.contents()).toEqual(['to both of you', 'only to you']);
  });

  it('keeps what is too long in its field and says why', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', '€'.repeat(30_000));
    await alice.page.getByRole('alert').filter({ hasText: '90000 bytes and may have 65536' }).waitFor();
    expect(await alice.page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toHaveLength(30_000);
    expect(await alice.rows.count()).toBe(0);
  });

  it('explains a name that the server would refuse, and does not connect', async () => {
    const nobody = await stage.open('alice|bob');
    await nobody.page.goto(stage.site.origin);
    await nobody.connect();
    await nobody.page.getByRole('alert').filter({ hasText: 'no “|”' }).waitFor();
    expect(await nobody.status.textContent()).toBe('');
  });

  it('stays where the reader has scrolled to, and says how much is new', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob', { viewport: { width: 600, height: 400 } });
    const scrollTop = () => bob.page.getByRole('log').evaluate((log) => log.scrollTop);
    for (let number = 1; number <= 12; number += 1) await alice.write('bob', `line ${number}`);
    await bob.sees('line 12');
    await eventually(async () => (await scrollTop()) > 300);
    await bob.page.getByRole('log').hover();
    await bob.page.mouse.wheel(0, -2_000);
    await eventually(async () => (await scrollTop()) === 0);
    await alice.write('bob', 'news');
    const newest = bob.page.getByRole('button', { name: 'new below' });
    await newest.filter({ hasText: '1 new below' }).waitFor();
    expect(await scrollTop()).toBe(0);
    await newest.click();
    await eventually(async () => (await scrollTop()) > 300);
    expect(await newest.isVisible()).toBe(false);
  });

  it('fits a phone of 360 pixels', async () => {
    const alice = await stage.open('a'.repeat(100), {
      viewport: { width: 360, height: 640 },
      hasTouch: true,
      isMobile: true,
    });
    await alice.page.goto(stage.site.origin);
    const width = () => alice.page.evaluate('document.documentElement.scrollWidth');
    expect(await width()).toBe(360);
    await alice.connect();
    await alice.untilStatus('online as');
    await alice.write(alice.name, 'w'.repeat(500));
    await alice.sees(`to ${alice.name}`, 'delivered');
    await alice.write(null, 'short');
    await alice.sees('to everyone', 'sent to 1');
    expect(await width()).toBe(360);
    const outside = `[...document.querySelectorAll('button, input, textarea, a, .message')].filter(
      (each) => each.getBoundingClientRect().right > 360 || each.getBoundingClientRect().left < 0).length`;
    expect(await alice.page.evaluate(outside)).toBe(0);
  });

  it('connects again with the name in its address when it is loaded again', async () => {
    const alice = await stage.arrive('alice & 愛');
    await alice.page.reload();
    await alice.untilStatus('online as alice & 愛');
    expect(await alice.status.getAttribute('data-state')).toBe('online');
  });

  it('asks nothing of any other host, and breaks no rule of its own content policy', async () => {
    const alice = await stage.open('alice');
    const asked: string[] = [];
    const complaints: string[] = [];
    alice.page.on('request', (request) => asked.push(new URL(request.url()).origin));
    alice.page.on('console', (message) => complaints.push(message.text()));
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    await alice.write('alice', 'note to self');
    await alice.sees('to alice', 'delivered');
    expect(new Set(asked)).toEqual(new Set([stage.site.origin]));
    expect(complaints).toEqual([]);
  });

  if (process.env['UPDATE_SCREENSHOT']) {
    it('has its picture taken for the documentation', async () => {
      // Only the date stands still, so that the picture says the same each time it is taken.
      const timers = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];
      const doNotFake = [...timers, 'nextTick', 'queueMicrotask', 'performance', 'hrtime'] as never;
      jest.useFakeTimers({ doNotFake, now: Date.parse('2026-11-23T09:12:00Z') });
      try {
        expect(await converse()).toContain('Ada');
      } finally {
        jest.useRealTimers();
      }
    });
  }

  /**
   * A conversation as it might be. Its picture goes to docs/images; a dark one and a phone's, to look at, to the
   * temporary folder.
   */
  async function converse(): Promise<string | null> {
    const maren = await stage.arrive('Maren');
    const jonas = await stage.arrive('Jonas');
    await maren.write('Ada', 'The forecast has changed: gale from the west after noon.');
    await maren.sees('gale from the west', 'stored');
    jest.setSystemTime(Date.parse('2026-11-23T09:14:00Z'));
    await jonas.write('Ada', 'Bring the long fenders when you come, please.');
    await jonas.sees('long fenders', 'stored');
    jest.setSystemTime(Date.parse('2026-11-23T10:03:00Z'));
    const ada = await stage.arrive('Ada', { viewport: { width: 900, height: 700 }, deviceScaleFactor: 2 });
    await ada.sees('2 waited for you');
    await ada.write('Jonas', 'Just back on shore. Fenders are in the car, ten minutes.');
    await ada.sees('ten minutes', 'delivered');
    await jonas.write('Ada', 'Thank you! We are at the fuel dock.');
    await ada.sees('fuel dock');
    jest.setSystemTime(Date.parse('2026-11-23T10:05:00Z'));
    await ada.write('Piet', 'Can you leave your berth to us until tomorrow?');
    await ada.sees('your berth', 'stored');
    await maren.write(null, 'All boats: the lock closes at eleven today.');
    await ada.sees('the lock closes');
    await ada.page.screenshot({ path: fileURLToPath(new URL('../../docs/images/chat.png', import.meta.url)) });
    await ada.page.emulateMedia({ colorScheme: 'dark' });
    await ada.page.screenshot({ path: join(tmpdir(), 'chat-dark.png') });
    await ada.page.setViewportSize({ width: 360, height: 720 });
    await ada.page.emulateMedia({ colorScheme: 'light' });
    await ada.page.getByLabel('To everyone').check();
    await ada.page.screenshot({ path: join(tmpdir(), 'chat-phone.png') });
    return ada.status.textContent();
  }
});
