import type { WebSocketRoute } from 'playwright-core';
import { eventually } from '../support/deadline.js';
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
      say(route, 'welcome', { user: 'alice', ackWindow: 4, maxContentBytes: 100, serverTime: SERVER_TIME });
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

  it('shows a repeated message once, and acknowledges every one', async () => {
    const acked: number[] = [];
    const repeated = messages(['a', 'b', 'a', 'b', 'c', 'd']);
    const alice = await openWith((_route, { data }) => acked.push(data.seq), repeated);
    await alice.sees(/d$/);
    expect(await alice.contents()).toEqual(['a', 'b', 'c', 'd']);
    await eventually(() => acked.at(-1) === 6);
    expect(acked).toEqual([...new Set(acked)].sort((a, b) => a - b));
  });

  it('keeps the newest 1,000 messages in sight, and no more', async () => {
    const ids = Array.from({ length: 1_010 }, (_, index) => `number ${index + 1};`);
    const alice = await openWith(() => undefined, messages(ids));
    await alice.sees('number 1010;');
    expect(await alice.contents()).toEqual(ids.slice(10));
  });

  it('offers to send again what was refused for now', async () => {
    const ids: string[] = [];
    const alice = await openWith((route, { data: { id } }) => {
      ids.push(id);
      const refusal = { status: 'error', code: 'MAILBOX_FULL', message: 'the mailbox is full', temporary: true, id };
      if (ids.length === 1) say(route, 'exception', refusal);
      else say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
    });
    await alice.write('bob', 'is there room?');
    const row = await alice.sees('is there room?', 'refused: the mailbox is full');
    await row.getByRole('button', { name: 'Send again' }).click();
    await alice.sees('is there room?', 'stored');
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  it('does not repeat a message to everyone by itself, and says that it may not have been sent', async () => {
    const broadcasts: string[] = [];
    const alice = await openWith((route, { event, data: { id } }) => {
      if (event === 'send') return say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
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

  it('closes a connection on which the server does not answer', async () => {
    const sent: string[] = [];
    const alice = await openWith((route, { data: { id } }) => {
      sent.push(id);
      if (sent.length > 1) say(route, 'receipts', [{ id, status: 'stored', sentAt: SERVER_TIME }]);
    });
    await alice.write('bob', 'anybody there?');
    await alice.sees('anybody there?', 'sending');
    await eventually(() => sent.length === 1);
    await alice.page.clock.runFor(15_500); // Fifteen seconds without an answer, and the pause before the next try.
    await alice.sees('anybody there?', 'stored');
    expect(sent).toEqual([sent[0], sent[0]]);
  });
});
