import { setImmediate as nextTurn } from 'node:timers/promises';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { rowsOf } from '../../support/store-file.js';
import type { TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

const composing = (to: string) => ({ to, kind: 'composing' });

describe('a signal', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  /** Opens JSON connections that have caught up. */
  async function connected(...users: string[]): Promise<TestClient[]> {
    const clients = [];
    for (const user of users) {
      const client = await chat.connectJson(user);
      await client.nextJson('caught-up');
      clients.push(client);
    }
    return clients;
  }

  async function outcomes(): Promise<Record<string, number>> {
    const text = await (await chat.scrape()).text();
    const found = [...text.matchAll(/^holdfast_signals_total\{outcome="(.*)"\} (\d+)$/gm)];
    return Object.fromEntries(found.map(([, outcome, count]) => [outcome, Number(count)]));
  }

  it('comes at once to every connection of its recipient, with its data as it was sent', async () => {
    chat = await ChatApp.start({ sessions: 'multiple' });
    const [alice, bob, bobToo] = await connected('alice', 'bob', 'bob');
    alice!.sendJson('signal', composing('bob'));
    alice!.send(
      '{"event":"signal","data":{"to":"bob","kind":"at","data":{ "x": [1e2, "é\\ud800"], "__proto__": {} }}}',
    );
    for (const client of [bob!, bobToo!]) {
      expect(await client.next()).toBe('{"event":"signal","data":{"from":"alice","kind":"composing"}}');
      expect(await client.next()).toBe(
        '{"event":"signal","data":{"from":"alice","kind":"at","data":{"x":[100,"é\\ud800"],"__proto__":{}}}}',
      );
    }
    await alice!.expectNothingElse('alice');
    expect(await outcomes()).toEqual({ written: 2, dropped: 0, limited: 0 });
  });

  it('is stored nowhere, and counted nowhere in the books', async () => {
    chat = await ChatApp.start({ clock: new ManualClock() }); // The store does not look whether it is still its own.
    const [alice, bob] = await connected('alice', 'bob');
    const before = { totals: chat.delivery.totals, sent: chat.connections.ofUser('bob')[0]!.sent };
    const statements = chat.watchStatements();
    for (const to of ['bob', 'nobody', 'bob']) alice!.sendJson('signal', composing(to));
    for (let n = 0; n < 2; n += 1) await bob!.nextJson('signal');
    bob!.sendJson('ack', { seq: 0 });
    expect(statements).toEqual([]);
    expect(await rowsOf(chat)).toEqual([]);
    expect({ totals: chat.delivery.totals, sent: chat.connections.ofUser('bob')[0]!.sent }).toEqual(before);
    await eventually(async () => (await outcomes())['dropped'] === 1); // Another node may be the home of nobody.
    expect(await outcomes()).toEqual({ written: 2, dropped: 1, limited: 0 });
  });

  it('to somebody who is away is gone, also when they come later', async () => {
    chat = await ChatApp.start();
    const [alice] = await connected('alice');
    alice!.sendJson('signal', composing('bob'));
    await alice!.expectNothingElse('alice');
    const [bob] = await connected('bob');
    await bob!.expectNothingElse('bob');
  });

  it('never comes to a text client, who cannot send one either', async () => {
    chat = await ChatApp.start({ sessions: 'multiple' });
    const [alice] = await connected('alice');
    const bob = await chat.connect('bob');
    alice!.sendJson('signal', composing('bob'));
    await alice!.expectNothingElse('alice');
    await bob.expectNothingElse('bob');
    expect(await outcomes()).toMatchObject({ written: 0, dropped: 1 });
  });

  it('is dropped while its recipient is behind, and does not come after the backlog', async () => {
    chat = await ChatApp.start({ ackWindow: 4 });
    const [alice] = await connected('alice');
    const signal = (kind: string) => chat.delivery.signal({ from: 'alice', to: 'bob', kind, data: undefined });
    for (let n = 1; n <= 6; n += 1) alice!.sendJson('send', { to: 'bob', content: String(n) });
    await chat.untilPending('bob', 6);
    const bob = await chat.connectJson('bob');
    const connection = chat.connections.ofUser('bob')[0]!;
    for (let seq = 1; seq <= 4; seq += 1) expect((await bob.nextJson('message')).data.seq).toBe(seq);
    expect(await signal('window-full')).toBe(0);
    bob.sendJson('ack', { seq: 1 });
    await eventually(() => chat.delivery.inFlight(connection) === 3);
    expect(await signal('window-open')).toBe(0);
    bob.sendJson('ack', { seq: 4 });
    for (let seq = 5; seq <= 6; seq += 1) expect((await bob.nextJson('message')).data.seq).toBe(seq);
    await bob.nextJson('caught-up');
    expect(await signal('live')).toBe(1);
    expect((await bob.nextJson('signal')).data.kind).toBe('live');
    expect(await outcomes()).toMatchObject({ written: 1, dropped: 2 });
  });

  it('is dropped while the window of its recipient is full', async () => {
    chat = await ChatApp.start({ ackWindow: 2 });
    const [alice, bob] = await connected('alice', 'bob');
    for (let n = 1; n <= 3; n += 1) alice!.sendJson('send', { to: 'bob', content: String(n) });
    for (let seq = 1; seq <= 2; seq += 1) await bob!.nextJson('message');
    await chat.untilPending('bob', 3);
    alice!.sendJson('signal', composing('bob'));
    await eventually(async () => (await outcomes())['dropped'] === 1);
    bob!.sendJson('ack', { seq: 2 });
    expect((await bob!.nextJson('message')).data.content).toBe('3');
    await bob!.expectNothingElse('bob');
  });

  alone('hops').it('is dropped while its recipient does not read', async () => {
    chat = await ChatApp.start({ slowBufferBytes: 64 * 1024 });
    const [, bob] = await connected('alice', 'bob');
    const connection = chat.connections.ofUser('bob')[0]!;
    const signal = (kind: string) => chat.delivery.signal({ from: 'alice', to: 'bob', kind, data: undefined });
    bob!.socket.pause();
    while (!connection.isSlowConsumer) {
      chat.delivery.send(
        { from: 'rest', content: 'x'.repeat(60_000) },
        { onReceipt: () => undefined, onRefused: () => undefined },
      );
      await nextTurn();
    }
    expect(await signal('composing')).toBe(0);
    bob!.socket.resume();
    await eventually(() => !connection.isSlowConsumer);
    expect(await signal('paused')).toBe(1);
    expect((await bob!.until('signal')).data.kind).toBe('paused');
  });

  it('over the rate is dropped without a word, and holds up no message', async () => {
    const clock = new ManualClock();
    chat = await ChatApp.start({ clock, signalsPerSecond: 5, framesPerSecond: 1, frameBurst: 2 });
    const [alice, bob] = await connected('alice', 'bob');
    for (let n = 0; n < 12; n += 1) alice!.sendJson('signal', composing('bob'));
    for (const content of ['1', '2']) alice!.sendJson('send', { to: 'bob', content });
    for (let n = 0; n < 10; n += 1) await bob!.nextJson('signal');
    for (const content of ['1', '2']) expect((await bob!.nextJson('message')).data.content).toBe(content);
    expect(await outcomes()).toEqual({ written: 10, dropped: 0, limited: 2 });
    clock.advance(200);
    alice!.sendJson('signal', { to: 'bob', kind: 'paused' });
    expect((await bob!.nextJson('signal')).data.kind).toBe('paused');
    alice!.sendJson('ping', {});
    await alice!.nextJson('pong');
  });

  it('is a flood at five times the rate of frames beyond its own, which ends with 4429', async () => {
    chat = await ChatApp.start({ clock: new ManualClock(), signalsPerSecond: 1, framesPerSecond: 1, frameBurst: 1 });
    const [alice] = await connected('alice');
    for (let n = 0; n < 2 + 5 + 1; n += 1) alice!.sendJson('signal', composing('bob'));
    await alice!.expectClose(4429);
  });

  it.each([
    ['no recipient', '{"kind":"at"}', 'BAD_FRAME'],
    ['a bad recipient', '{"to":"a|b","kind":"at"}', 'BAD_RECIPIENT'],
    ['no kind', '{"to":"bob"}', 'BAD_FRAME'],
    ['an empty kind', '{"to":"bob","kind":""}', 'BAD_FRAME'],
    ['a kind of 33 characters', `{"to":"bob","kind":"${'a'.repeat(33)}"}`, 'BAD_FRAME'],
    ['a kind with a quote', '{"to":"bob","kind":"a\\"b"}', 'BAD_FRAME'],
    ['a kind with a line break', '{"to":"bob","kind":"at\\n"}', 'BAD_FRAME'],
    ['data of 1,025 bytes', `{"to":"bob","kind":"at","data":"${'é'.repeat(511)}x"}`, 'BAD_FRAME'],
    ['lists, fifty thousand deep', `{"to":"bob","kind":"at","data":${'['.repeat(5e4)}${']'.repeat(5e4)}}`, 'BAD_FRAME'],
  ])('with %s is refused, and nothing of it is repeated', async (_what, data, code) => {
    chat = await ChatApp.start();
    const [alice, bob] = await connected('alice', 'bob');
    alice!.send(`{"event":"signal","data":${data}}`);
    const exception = { status: 'error', code, message: expect.any(String), temporary: false };
    expect((await alice!.nextJson('exception')).data).toEqual(exception);
    alice!.send(`{"event":"signal","data":{"to":"bob","kind":"${'a'.repeat(32)}","data":"${'é'.repeat(511)}"}}`);
    expect((await bob!.nextJson('signal')).data.kind).toHaveLength(32);
  });
});
