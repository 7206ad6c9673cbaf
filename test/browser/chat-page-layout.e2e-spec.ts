import axe from 'axe-core';
import type { BrowserContextOptions } from 'playwright-core';
import { eventually } from '../support/deadline.js';
import { takePictures } from './picture.js';
import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
const WORD = 'w'.repeat(400);
const ADDRESS = `https://example.com/${'a'.repeat(400)}`;

describeInChromium('the chat page, whatever is in it,', (stage) => {
  /** What is wider than the screen, or outside of it. Names in one line are cut. */
  async function overflow({ page }: Reader): Promise<unknown[]> {
    return page.evaluate<unknown[]>(`(() => {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
      const outside = [...document.querySelectorAll('body *')].filter((each) => {
        const { left, right, width } = each.getBoundingClientRect();
        return width > 1 && !each.closest('.who, #title') && (right > innerWidth + 0.5 || left < -0.5) && each.checkVisibility();
      });
      const told = outside.map((each) => each.tagName + '#' + each.id + '.' + each.className);
      if (scrollWidth > clientWidth || scrollHeight > clientHeight) told.push([scrollWidth, clientWidth, scrollHeight, clientHeight]);
      return told;
    })()`);
  }

  it.each([
    ['a phone of 390 pixels', PHONE],
    ['a desktop of 1,280 pixels', DESKTOP],
  ])('fits %s, with words, addresses and names that have no end', async (_title, options) => {
    const name = 'n'.repeat(128);
    const alice = await stage.open(name, options);
    const isPhone = options === PHONE;
    const expectFit = async (where: string) => expect([where, ...(await overflow(alice))]).toEqual([where]);
    await alice.page.goto(stage.site.origin);
    await alice.page.getByLabel('Your name').fill(WORD);
    await alice.button('Connect').click();
    await expectFit('the form, with its error');
    await alice.connect();
    await alice.untilStatus(`online as ${name}`);
    await alice.page.getByLabel('New conversation with').fill(`${WORD}${WORD}`);
    await alice.page.getByLabel('New conversation with').press('Enter');
    await expectFit('the list, with an error');
    const other = 'o'.repeat(128);
    for (const content of [WORD, ADDRESS, `${ADDRESS}\n${WORD}`.repeat(10)]) await alice.write(other, content);
    await alice.page.locator('#rows .message').nth(2).filter({ hasText: 'stored' }).waitFor();
    await expectFit('the conversation');
    await alice.field.fill(WORD);
    await expectFit('a word in the field');
    await alice.field.fill(ADDRESS.repeat(40));
    await expectFit('much in the field');
    if (isPhone) await alice.button('Back to the conversations').click();
    await alice.opens(null);
    await alice.field.fill(WORD);
    await alice.field.press('Enter');
    await alice.sees('sent to 1 connection');
    await expectFit('everyone');
    if (isPhone) await alice.button('Menu').click();
    await alice.button('Frames').click();
    await alice.page.locator('.frame').first().waitFor();
    await expectFit('the frames');
    await alice.page.locator('#frames-close').click();
    if (isPhone) await alice.button('Menu').click();
    await alice.button('Sign out').click();
    await expectFit('the dialog');
    await alice.button('Stay').click();
    const startAgain = await stage.site.stop();
    await alice.page.locator('#countdown').filter({ hasText: 'trying again' }).waitFor();
    await expectFit('offline');
    await startAgain();
  });

  it('is a list and a conversation on a phone, and "back" goes from one to the other', async () => {
    const alice = await stage.arrive('alice', PHONE);
    await alice.begins('bob');
    await alice.page.locator('#title').getByText('bob').waitFor();
    expect(await alice.page.getByLabel('New conversation with').isVisible()).toBe(false);
    await alice.button('Back to the conversations').click();
    await alice.page.getByLabel('New conversation with').waitFor();
    expect(await alice.page.locator('#title').isVisible()).toBe(false);
    await alice.begins('carol');
    await alice.page.locator('#title').getByText('carol').waitFor();
    await alice.page.goBack();
    await alice.page.getByLabel('New conversation with').waitFor();
  });

  it('has one line below its header, and no underlined buttons', async () => {
    const alice = await stage.arrive('alice');
    const borders = (selector: string) =>
      alice.page.evaluate<string[]>(`(() => {
        const { borderTopWidth, borderBottomWidth } = getComputedStyle(document.querySelector('${selector}'));
        return [borderTopWidth, borderBottomWidth];
      })()`);
    expect([await borders('header'), await borders('main'), await borders('#chat')]).toEqual([
      ['0px', '1px'],
      ['0px', '0px'],
      ['0px', '0px'],
    ]);
    await alice.button('Sign out').hover();
    const decoration = `getComputedStyle(document.querySelector('#sign-out')).textDecorationLine`;
    expect(await alice.page.evaluate(decoration)).toBe('none');
  });

  it('is used with the keyboard alone', async () => {
    const bob = await stage.arrive('bob');
    const alice = await stage.open('alice');
    await alice.page.goto(stage.site.origin);
    const { keyboard } = alice.page;
    const type = async (text: string) => keyboard.type(text);
    const press = async (...keys: string[]) => {
      for (const key of keys) await keyboard.press(key);
    };
    const focused = () =>
      alice.page.evaluate<string>(
        `(document.activeElement.id || document.activeElement.className || document.activeElement.textContent)`,
      );
    await eventually(async () => (await focused()) === 'name');
    await type('alice');
    await press('Enter');
    await alice.untilStatus('online as alice');
    expect(await focused()).toBe('name-of-other');
    await type('bob');
    await press('Enter');
    await alice.page.locator('#title').getByText('bob').waitFor();
    expect(await focused()).toBe('content');
    await type('one');
    await press('Shift+Enter');
    await type('two');
    await press('Enter');
    await alice.sees('one\ntwo', 'delivered');
    await bob.opens('alice');
    await press('Tab');
    expect(await focused()).toBe('send');
    await press('Shift+Tab', 'Shift+Tab');
    expect(await focused()).toBe('log');
    await press('ArrowUp');
    expect(await focused()).toMatch(/^message/);
    await press('Tab');
    expect(await focused()).toBe('copy');
    await press('Tab');
    expect(await focused()).toBe('content');
    await press('Shift+Tab', 'Shift+Tab');
    await press('Shift+Tab');
    expect(await focused()).toBe('person');
    await alice.page.locator('#frames').focus();
    await press('Enter');
    expect(await focused()).toBe('frames-close');
    await press('Escape');
    expect(await focused()).toBe('frames');
    await alice.page.locator('#sign-out').focus();
    await press('Enter');
    expect(await focused()).toBe('Stay');
    await press('Escape');
    expect(await focused()).toBe('sign-out');
  });

  it('moves nothing for those who do not want it to', async () => {
    const alice = await stage.open('alice', { reducedMotion: 'reduce' });
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    const running = `document.getAnimations().filter(({ effect }) => effect.getTiming().iterations > 1).length`;
    await alice.page.evaluate(`document.querySelector('#status').dataset.state = 'connecting'`);
    expect(await alice.page.evaluate(running)).toBe(0);
  });

  it.each(['light', 'dark'] as const)('has nothing that axe complains about, in %s', async (colorScheme) => {
    const alice = await stage.open('alice', { colorScheme });
    const expectNone = async (where: string) => {
      await alice.page.evaluate(axe.source);
      const found = await alice.page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
        `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
      );
      expect([where, found.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])]).toEqual([where, []]);
    };
    await alice.page.goto(stage.site.origin);
    await alice.page.getByLabel('Your name').waitFor();
    await alice.button('Connect').click();
    await expectNone('the form, with an error');
    await alice.connect();
    await alice.untilStatus('online as alice');
    await expectNone('the list');
    const bob = await stage.arrive('bob');
    await bob.write('alice', 'see https://example.com/');
    await bob.disconnect();
    await alice.person('bob').filter({ hasText: '1 unread message' }).waitFor();
    await expectNone('the list, with something unread');
    await alice.write('bob', 'line\n'.repeat(60));
    await alice.sees('line', 'stored');
    await expectNone('a conversation');
    await alice.button('Frames').click();
    await alice.page.locator('.frame').first().waitFor();
    await expectNone('the frames');
    await alice.button('Sign out').click();
    await expectNone('the dialog');
    await alice.button('Stay').click();
    await fetch(`${stage.site.origin}/chat/users/alice/connections`, { method: 'DELETE' });
    await alice.untilStatus('disconnected by an administrator');
    await alice.write('bob', 'waits');
    await alice.sees('waits', 'waits for the connection');
    await expectNone('stopped');
  });

  it('draws 500 late messages, and shows the first that is new', async () => {
    const alice = await stage.arrive('alice');
    for (let sender = 0; sender < 5; sender += 1) {
      for (let number = 0; number < 100; number += 1) {
        const message = { from: `sender ${sender}`, to: 'bob', content: `late ${number}` };
        const headers = { 'Content-Type': 'application/json' };
        await fetch(`${stage.site.origin}/chat/messages`, { method: 'POST', headers, body: JSON.stringify(message) });
      }
    }
    const bob = await stage.open('bob', PHONE);
    await bob.page.goto(stage.site.origin);
    await bob.connect();
    await bob.person('sender 4').filter({ hasText: '100 unread messages' }).waitFor();
    await bob.opens('sender 0');
    await bob.page.locator('.separator.new').getByText('100 new').waitFor();
    expect(await bob.rows.count()).toBe(100);
    const top = await bob.rows.filter({ hasText: /late 0(?!\d)/ }).boundingBox();
    expect(top!.y).toBeLessThan(400);
    await eventually(
      async () => (await bob.page.title()).startsWith('(500)') || (await bob.page.title()).startsWith('(400)'),
    );
    expect(await alice.rows.count()).toBe(0);
  });

  if (process.env['UPDATE_SCREENSHOT']) {
    it('has its pictures taken, one of them for the documentation', async () => {
      expect(await takePictures(stage)).toContain('Ada');
    }, 300_000);
  }
});
