import type { WebSocketRoute } from 'playwright-core';
import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

interface Frame {
  readonly event: string;
  readonly data: { readonly id: string; readonly seq: number };
}

const SERVER_TIME = '2026-11-23T09:30:00.000Z';

/** Frames that the real server sends rarely or never. */
describeInChromium('the chat page, whatever the server sends,', (stage) => {
  const say = (route: WebSocketRoute, event: string, data: object) => route.send(JSON.stringify({ event, data }));

  /** Opens the page with the test as its server: the test gets each frame after the welcome. */
  async function openWith(
    answer: (route: WebSocketRoute, frame: Frame) => void,
    backlog: object[] = [],
  ): Promise<Reader> {
    const alice = await stage.open('alice');
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      route.onMessage((frame) => answer(route, JSON.parse(String(frame)) as Frame));
      const limits = { framesPerSecond: null, frameBurst: 60, broadcastsPerSecond: null, signalsPerSecond: null };
      say(route, 'welcome', { user: 'alice', ackWindow: 4, maxContentBytes: 100, serverTime: SERVER_TIME, ...limits });
      for (const message of backlog) say(route, 'message', message);
    });
    await alice.page.clock.install({ time: SERVER_TIME });
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    await alice.untilStatus('online as alice');
    return alice;
  }

  function messages(ids: readonly string[]): object[] {
    const same = { from: 'bob', to: 'alice', sentAt: SERVER_TIME, stored: false };
    return ids.map((id, index) => ({ ...same, seq: index + 1, id, content: id }));
  }

  it('shows a repeated message once', async () => {
    const alice = await openWith(() => undefined, messages(['a', 'b', 'a', 'b', 'c', 'd']));
    await alice.person('bob').filter({ hasText: '4 unread messages' }).waitFor();
    await alice.opens('bob');
    await alice.sees(/d(Copy)?$/);
    expect(await alice.contents()).toEqual(['a', 'b', 'c', 'd']);
    expect(await alice.page.locator('.separator.new').textContent()).toBe('4 new');
  });

  it('draws the newest 200 messages, and the earlier ones when somebody asks', async () => {
    const ids = Array.from({ length: 450 }, (_, index) => `number ${index + 1};`);
    const alice = await openWith(() => undefined, messages(ids));
    await alice.person('bob').filter({ hasText: '450 unread messages' }).waitFor();
    await alice.opens('bob');
    await alice.page.evaluate(`document.querySelector('#log').scrollTop = 1e6`);
    await alice.person('bob').filter({ hasText: 'unread' }).waitFor({ state: 'detached' });
    await alice.page.reload();
    await alice.sees('number 450;');
    expect(await alice.contents()).toEqual(ids.slice(250));
    await alice.button('Show earlier messages').click();
    await alice.button('Show earlier messages').click();
    expect(await alice.contents()).toEqual(ids);
    expect(await alice.button('Show earlier messages').isVisible()).toBe(false);
  });

  it('tries again by itself what was refused for now', async () => {
    const ids: string[] = [];
    const alice = await openWith((route, { event, data: { id } }) => {
      if (event !== 'send') return;
      ids.push(id);
      const refusal = { status: 'error', code: 'MAILBOX_FULL', message: 'the mailbox is full', temporary: true, id };
      if (ids.length === 1) say(route, 'exception', refusal);
      else say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
    });
    await alice.write('bob', 'is there room?');
    await alice.sees('is there room?', 'stored');
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  it('says why a message was refused, and offers to send it again', async () => {
    const ids: string[] = [];
    const alice = await openWith((route, { event, data: { id } }) => {
      if (event !== 'send') return;
      ids.push(id);
      const refusal = {
        status: 'error',
        code: 'SENDER_QUOTA',
        message: 'too much of yours waits',
        temporary: false,
        id,
      };
      if (ids.length === 1) say(route, 'exception', refusal);
      else say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
    });
    await alice.write('bob', 'is there room?');
    const row = await alice.sees('is there room?', 'refused: too much of yours waits');
    await row.getByRole('button', { name: 'Send again' }).click();
    await alice.sees('is there room?', 'stored');
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(await alice.rows.count()).toBe(1);
  });

  it('does not repeat a message to everyone by itself, and says that it may not have been sent', async () => {
    const broadcasts: string[] = [];
    const alice = await openWith((route, { event, data: { id } }) => {
      if (event === 'send') return say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
      if (event !== 'broadcast') return;
      broadcasts.push(id);
      void route.close({ code: 1011 });
    });
    await alice.write(null, 'at most once');
    await alice.sees('at most once', 'perhaps not sent');
    await alice.page.clock.runFor(500);
    await alice.write('bob', 'marker');
    await alice.sees('marker', 'stored');
    expect(broadcasts).toHaveLength(1);
  });

  it.each([
    ['expired', 'never fetched, and removed after its time'],
    ['purged', 'removed by an administrator'],
    ['evicted', 'as the mailbox was full'],
  ])('says that a message that was stored is %s, and sends it again as a new one', async (end, words) => {
    const ids: string[] = [];
    const alice = await openWith((route, { event, data: { id } }) => {
      if (event !== 'send') return;
      ids.push(id);
      say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
      if (ids.length === 1) say(route, 'endings', [{ id, to: 'bob', end }]);
    });
    await alice.write('bob', 'still there?');
    const row = await alice.sees('still there?', words);
    await row.getByRole('button', { name: 'Send again' }).click();
    await alice.sees('still there?', 'stored until fetched');
    expect(ids).toEqual([ids[0], expect.not.stringMatching(ids[0]!)]);
  });
});
