import { eventually } from '../support/deadline.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page', (stage) => {
  it('carries messages between two people live, and shows both their receipts', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await alice.write('bob', 'did the rope hold?');
    await alice.sees('did the rope hold?', 'delivered');
    await bob.opens('alice');
    await bob.sees(/^alice \d\d:\d\d/, 'did the rope hold?');
    await bob.write('alice', 'it did');
    await bob.sees('it did', 'delivered');
    await alice.sees(/^bob \d/, 'it did');
    expect(await alice.contents()).toEqual(['did the rope hold?', 'it did']);
    expect(await alice.page.locator('.waited').count()).toBe(0);
  });

  it('counts what is unread, in its list, its title and on its icon, until it is read', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await alice.write('bob', 'one');
    await alice.write('bob', 'two');
    await bob.person('alice').filter({ hasText: '2 unread messages' }).filter({ hasText: 'two' }).waitFor();
    expect(await bob.page.title()).toBe('(2) Holdfast');
    expect(await bob.page.locator('#icon').getAttribute('href')).toBe('icon-new.svg');
    await bob.opens('alice');
    await bob.page.locator('.separator.new').getByText('2 new').waitFor();
    await eventually(async () => (await bob.page.title()) === 'Holdfast');
    await bob.person('alice').locator('.unread').waitFor({ state: 'detached' });
    expect(await bob.page.locator('#icon').getAttribute('href')).toBe('icon.svg');
  });

  it('hands over what waited in order, marked and with its time, before anything live', async () => {
    const alice = await stage.arrive('alice');
    let bob = await stage.arrive('bob');
    await bob.disconnect();
    await bob.page.context().close();
    const times: (string | null)[] = [];
    for (const content of ['first', 'second', 'third']) {
      await alice.write('bob', content);
      await alice.sees(content, 'stored until fetched');
    }
    for (const time of await alice.page.locator('#rows time').all()) times.push(await time.getAttribute('datetime'));
    bob = await stage.arrive('bob');
    await bob.person('alice').filter({ hasText: '3 unread messages' }).waitFor();
    await alice.write('bob', 'live');
    await bob.opens('alice');
    await bob.sees(/^alice \d\d:\d\dlive/);
    expect(await bob.contents()).toEqual(['first', 'second', 'third', 'live']);
    expect(await bob.page.locator('.message.late .content').allTextContents()).toEqual(['first', 'second', 'third']);
    const late = bob.page
      .locator('.message.late')
      .filter({ hasText: /waited \d+/ })
      .locator('time');
    expect(times).toContain(await late.first().getAttribute('datetime'));
  });

  it('tells the sender when what was stored is fetched', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', 'for later');
    await alice.sees('for later', 'stored until fetched');
    await stage.arrive('bob');
    await alice.sees('for later', 'delivered');
    expect(await alice.rows.count()).toBe(1);
  });

  it('brings a message to everyone who is online', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob');
    await alice.write(null, 'all hands on deck');
    await alice.sees('all hands on deck', 'sent to 2 connections');
    await bob.opens(null);
    await bob.sees(/^alice \d/, 'all hands on deck');
    expect(await alice.contents()).toEqual(['all hands on deck']);
  });

  it('shows a message to oneself once', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('alice', 'note to self');
    await alice.sees('note to self', 'delivered');
    await alice.write('alice', 'marker');
    await alice.sees('marker', 'delivered');
    expect(await alice.contents()).toEqual(['note to self', 'marker']);
    expect(await alice.page.locator('#title').textContent()).toBe('alice (you)');
  });

  it('shows what people write and how they are called as text, never as HTML', async () => {
    const html = '<img src=x onerror="window.ran = true"><script>window.ran = true</script><b>bold</b>';
    const mallory = await stage.arrive(`<b onclick='ran()'>m</b>`);
    const bob = await stage.arrive('bob');
    await mallory.write('bob', html);
    await mallory.write(null, html);
    await mallory.sees('sent to 2 connections');
    await bob.opens(mallory.name);
    await bob.sees(html);
    for (const { page } of [bob, mallory]) {
      expect(await page.locator('main img, main script, main b').count()).toBe(0);
      expect(await page.evaluate('window.ran')).toBeUndefined();
    }
  });

  it('makes addresses links that tell nobody where they were clicked, and nothing else', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('alice', 'see https://example.com/a?b=1, not javascript:alert(1)');
    const link = (await alice.sees('see')).locator('a');
    expect(await link.count()).toBe(1);
    expect([await link.getAttribute('href'), await link.getAttribute('rel')]).toEqual([
      'https://example.com/a?b=1',
      'noopener noreferrer nofollow',
    ]);
  });

  it('names author and time once for what was said within a minute, and the day before its first message', async () => {
    const bob = await stage.open('bob');
    await bob.page.clock.setFixedTime('2026-11-23T09:30:00Z');
    await bob.page.goto(stage.site.origin);
    await bob.connect();
    await bob.untilStatus('online as bob');
    await bob.write('carol', 'one');
    await bob.sees('one', 'stored');
    await bob.write('carol', 'two');
    await bob.sees('two', 'stored');
    expect(await bob.page.locator('#rows .about').count()).toBe(1);
    expect(await bob.page.locator('.separator.day').count()).toBe(1);
  });

  it('shows a long message in part, and all of it on demand', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('alice', Array.from({ length: 60 }, (_, index) => `line ${index}`).join('\n'));
    const row = await alice.sees('line 59');
    const height = async () => (await row.locator('.content').boundingBox())!.height;
    expect(await height()).toBeLessThan(300);
    await row.getByRole('button', { name: 'Show all' }).click();
    expect(await height()).toBeGreaterThan(1_000);
    await row.getByRole('button', { name: 'Show less' }).click();
    expect(await height()).toBeLessThan(300);
  });

  it('copies a message as it was written', async () => {
    const alice = await stage.arrive('alice', { permissions: ['clipboard-read', 'clipboard-write'] });
    const text = 'two\nlines, https://example.com/ ';
    await alice.write('alice', text);
    const row = await alice.sees('two');
    await row.hover();
    await row.getByRole('button', { name: 'Copy' }).click();
    await row.getByText('Copied').waitFor();
    expect(await alice.page.evaluate('navigator.clipboard.readText()')).toBe(text);
  });

  it('keeps what is too long in its field and says why', async () => {
    const alice = await stage.arrive('alice');
    await alice.write('bob', '€'.repeat(30_000));
    await alice.page.getByRole('alert').filter({ hasText: 'This has 90,000 bytes and may have 65,536' }).waitFor();
    expect(await alice.field.inputValue()).toHaveLength(30_000);
    expect(await alice.rows.count()).toBe(0);
  });

  it('says in one sentence why something is not a name, of oneself or of another', async () => {
    const wrong = [
      ['', 'Please write a name.'],
      ['alice|bob', 'A name cannot have “|” in it.'],
      ['x'.repeat(129), 'This name is too long'],
      ['a\u200bb', 'an invisible character in this name (U+200B)'],
    ] as const;
    const alice = await stage.open('alice');
    await alice.page.goto(stage.site.origin);
    for (const [name, sentence] of wrong) {
      await alice.page.getByLabel('Your name').fill(name);
      await alice.button('Connect').click();
      await alice.page.getByRole('alert').filter({ hasText: sentence }).waitFor();
      expect(await alice.status.textContent()).toBe('');
    }
    await alice.connect();
    for (const [name, sentence] of wrong) {
      await alice.begins(name);
      await alice.page.locator('#begin-error').filter({ hasText: sentence }).waitFor();
    }
  });

  it('stays where the reader has scrolled to, and says how much is new', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.arrive('bob', { viewport: { width: 600, height: 480 } });
    await bob.begins('alice');
    const log = bob.page.locator('#log');
    const scrollTop = () => log.evaluate((element) => element.scrollTop);
    for (let number = 1; number <= 20; number += 1) await alice.write('bob', `line ${number}`);
    await bob.sees('line 20');
    await eventually(async () => (await scrollTop()) > 200);
    await log.hover();
    await bob.page.mouse.wheel(0, -2_000);
    await eventually(async () => (await scrollTop()) === 0);
    await alice.write('bob', 'news');
    const newest = bob.page.getByRole('button', { name: 'new below' });
    await newest.filter({ hasText: '1 new below' }).waitFor();
    expect(await scrollTop()).toBe(0);
    await newest.click();
    await eventually(async () => (await scrollTop()) > 200);
    expect(await newest.isVisible()).toBe(false);
  });

  it('opens the conversation that is clicked, also when a message comes between press and release', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.open('bob');
    await bob.page.clock.install();
    await bob.page.goto(stage.site.origin);
    await bob.connect();
    await bob.untilStatus('online as bob');
    await alice.write('bob', 'one');
    await bob.person('alice').filter({ hasText: '1 unread message' }).hover();
    await bob.page.mouse.down();
    await alice.write('bob', 'two');
    await eventually(async () => (await bob.page.title()) === '(2) Holdfast');
    await bob.page.clock.runFor(1_000); // The list would be drawn.
    await bob.page.mouse.up();
    await bob.page.locator('#title').getByText('alice').waitFor();
    await bob.person('alice').filter({ hasText: 'two' }).waitFor();
  });

  it('notifies of what comes while nobody looks, once somebody has asked for it', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.open('bob', { permissions: ['notifications'] });
    await bob.page.addInitScript(`
      window.shown = [];
      window.Notification = class {
        static permission = 'granted';
        static requestPermission = async () => 'granted';
        constructor(title, { body, tag }) { window.shown.push([title, body, tag]); }
      };
      Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true });
    `);
    await bob.page.goto(stage.site.origin);
    await bob.connect();
    await bob.untilStatus('online as bob');
    await bob.page.evaluate('window.isHidden = true');
    await alice.write('bob', 'before');
    await bob.person('alice').filter({ hasText: 'before' }).waitFor();
    await bob.button('Notify me').click();
    expect(await bob.button('Notify me').getAttribute('aria-pressed')).toBe('true');
    await alice.write('bob', 'after');
    await bob.person('alice').filter({ hasText: 'after' }).waitFor();
    expect(await bob.page.evaluate('window.shown.map(([title, body]) => [title, body])')).toEqual([['alice', 'after']]);
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
    await alice.sees('note to self', 'delivered');
    await alice.button('Frames').click();
    await alice.button('Sign out').click();
    await alice.button('Stay').click();
    expect(new Set(asked)).toEqual(new Set([stage.site.origin]));
    expect(complaints).toEqual([]);
  });
});
