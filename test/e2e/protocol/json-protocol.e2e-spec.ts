import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { TestClient } from '../../support/test-client.js';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('the JSON protocol', () => {
  let chat: ChatApp;
  beforeEach(async () => {
    chat = await ChatApp.start();
  });
  afterEach(() => chat.dispose());

  it('greets with what a client has to know, then says when the backlog is written', async () => {
    const alice = await chat.connect('alice');
    for (const word of ['one', 'two', 'three']) alice.send(`bob|${word}`);
    await chat.untilPending('bob', 3);
    const bob = chat.keep(await TestClient.open(chat.url('bob'), ['chat.v1.json']));
    expect((await bob.nextJson('welcome')).data).toEqual({
      user: 'bob',
      connectionId: chat.connections.ofUser('bob')[0]!.id,
      pending: 3,
      ackWindow: 256,
      maxContentBytes: 65_536,
      maxMetaBytes: 4_096,
      heartbeatMs: 25_000,
      framesPerSecond: null,
      frameBurst: 60,
      broadcastsPerSecond: null,
      signalsPerSecond: null,
      recordMs: null,
      serverTime: expect.stringMatching(ISO),
    });
    for (const [index, content] of ['one', 'two', 'three'].entries()) {
      expect((await bob.nextJson('message')).data).toEqual({
        seq: index + 1,
        id: expect.any(String),
        from: 'alice',
        to: 'bob',
        content,
        sentAt: expect.stringMatching(ISO),
        stored: true,
      });
    }
    expect((await bob.nextJson('caught-up')).data).toEqual({ delivered: 3 });
    alice.send('bob|live');
    expect((await bob.nextJson('message')).data).toMatchObject({ seq: 4, content: 'live', stored: false });
  });

  it('says in the welcome how fast a client may send', async () => {
    await chat.dispose();
    const rates = { framesPerSecond: 5, frameBurst: 7, broadcastsPerSecond: 2, signalsPerSecond: 3 };
    chat = await ChatApp.start(rates);
    const alice = chat.keep(await TestClient.open(chat.url('alice'), ['chat.v1.json']));
    expect((await alice.nextJson('welcome')).data).toMatchObject(rates);
  });

  it('gives a receipt when the recipient has confirmed, and not before', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    await alice.nextJson('caught-up');
    await bob.nextJson('caught-up');
    alice.sendJson('send', { to: 'bob', content: 'hello', id: 'm-1' });
    const { data } = await bob.nextJson('message');
    alice.sendJson('ping', {});
    await alice.nextJson('pong');
    bob.sendJson('ack', { seq: data.seq });
    expect((await alice.nextJson('receipts')).data).toEqual([{ id: 'm-1', status: 'delivered', sentAt: data.sentAt }]);
  });

  it('gives a receipt when the message is committed, for a recipient who is away', async () => {
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    alice.sendJson('send', { to: 'bob', content: 'hello', id: 'm-1' });
    expect((await alice.nextJson('receipts')).data).toEqual([
      { id: 'm-1', status: 'stored', sentAt: expect.stringMatching(ISO) },
    ]);
    expect(await chat.delivery.pendingOf('bob')).toBe(1);
  });

  it('puts the receipts of one turn into one frame', async () => {
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    for (let n = 0; n < 20; n += 1) alice.sendJson('send', { to: `user-${n}`, content: 'x', id: `m-${n}` });
    const ids: string[] = [];
    let frames = 0;
    while (ids.length < 20) {
      frames += 1;
      ids.push(...(await alice.nextJson('receipts')).data.map(({ id }: { id: string }) => id));
    }
    expect(ids.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `m-${n}`).toSorted());
    expect(frames).toBeLessThan(20);
  });

  it('makes up an id when the sender brings none, and tells it in the receipt', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    alice.sendJson('send', { to: 'bob', content: 'x' });
    const { data } = await bob.until('message');
    bob.sendJson('ack', { seq: 1 });
    expect(data.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect((await alice.until('receipts')).data[0]!.id).toBe(data.id);
  });

  it('counts the recipients of a broadcast', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    const carol = await chat.connect('carol');
    alice.sendJson('broadcast', { content: 'hello all', id: 'b-1' });
    expect((await bob.until('message')).data).toEqual({
      id: 'b-1',
      from: 'alice',
      to: '*',
      content: 'hello all',
      sentAt: expect.stringMatching(ISO),
      stored: false,
    });
    expect(await carol.next()).toBe('hello all');
    expect((await alice.until('message')).data.to).toBe('*');
    expect((await alice.until('receipts')).data).toEqual([
      { id: 'b-1', status: 'broadcast', sentAt: expect.stringMatching(ISO), recipients: 3 },
    ]);
  });

  it('answers a repeat with the first receipt and delivers it once', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    const send = () => alice.sendJson('send', { to: 'bob', content: 'once', id: 'm-1' });
    send();
    send(); // The first message is in flight.
    alice.sendJson('ping', {});
    await alice.until('pong');
    const first = await bob.until('message');
    bob.sendJson('ack', { seq: 1 });
    const receipts = (await alice.until('receipts')).data;
    expect(receipts).toHaveLength(2);
    send(); // The first message is delivered.
    expect((await alice.nextJson('receipts')).data).toEqual([
      { id: 'm-1', status: 'delivered', sentAt: first.data.sentAt },
    ]);
    expect(receipts[0]).toEqual(receipts[1]);
    await bob.expectNothingElse('bob');
    expect(chat.delivery.totals.accepted).toBe(2); // This is bob's marker.
  });

  it('answers a repeat of a message that waits in the store, also after a restart', async () => {
    let alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: 'bob', content: 'once', id: 'm-1' });
    const [first] = (await alice.until('receipts')).data;
    alice.sendJson('send', { to: 'bob', content: 'once', id: 'm-1' });
    expect((await alice.nextJson('receipts')).data).toEqual([first]);
    chat = await chat.restart();
    alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: 'bob', content: 'once', id: 'm-1' });
    expect((await alice.until('receipts')).data).toEqual([first]);
    expect(await chat.delivery.pendingOf('bob')).toBe(1);
    expect(chat.delivery.totals).toMatchObject({ accepted: 1, recovered: 1, pending: 1 });
  });

  it('takes the same id again to another recipient and from another sender', async () => {
    const [alice, carol] = [await chat.connectJson('alice'), await chat.connectJson('carol')];
    alice.sendJson('send', { to: 'bob', content: 'a', id: 'm-1' });
    alice.sendJson('send', { to: 'dave', content: 'b', id: 'm-1' });
    carol.sendJson('send', { to: 'bob', content: 'c', id: 'm-1' });
    await chat.untilPending('bob', 2);
    await chat.untilPending('dave', 1);
  });

  it('confirms cumulatively, ignores an old ack, and closes with 4400 on one for what was never sent', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    for (let n = 1; n <= 5; n += 1) alice.sendJson('send', { to: 'bob', content: String(n), id: `m-${n}` });
    for (let n = 1; n <= 5; n += 1) expect((await bob.until('message')).data.seq).toBe(n);
    bob.sendJson('ack', { seq: 3 });
    expect((await alice.until('receipts')).data.map(({ id }: { id: string }) => id)).toEqual(['m-1', 'm-2', 'm-3']);
    bob.sendJson('ack', { seq: 2 });
    bob.sendJson('ack', { seq: 0 });
    bob.sendJson('ack', { seq: 5 });
    expect((await alice.until('receipts')).data.map(({ id }: { id: string }) => id)).toEqual(['m-4', 'm-5']);
    bob.sendJson('ack', { seq: 6 });
    expect((await bob.until('exception')).data.code).toBe('BAD_FRAME');
    await bob.expectClose(4400);
  });

  it('handles nothing that a client sends behind an ack of what was never sent', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    await bob.nextJson('caught-up');
    alice.sendJson('ack', { seq: 9 });
    alice.sendJson('send', { to: 'bob', content: 'after the end' });
    await alice.expectClose(4400);
    await bob.expectNothingElse('bob');
  });

  it('does not take a pong for an ack', async () => {
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm-1' });
    await bob.until('message');
    const connection = chat.connections.ofUser('bob')[0]!;
    connection.lastSeenAt = 0;
    connection.beat();
    await eventually(() => connection.lastSeenAt > 0); // The pong has come.
    await bob.drop();
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'stored' }]);
  });

  it.each([
    ['no JSON', 'BAD_FRAME', undefined, 'hello'],
    ['no event', 'BAD_FRAME', undefined, '{"data":{}}'],
    ['an array', 'BAD_FRAME', undefined, '[]'],
    ['no data', 'BAD_FRAME', undefined, '{"event":"send"}'],
    ['an unknown event', 'UNKNOWN_EVENT', 'm-1', '{"event":"shout","data":{"id":"m-1"}}'],
    ['a content that is no string', 'BAD_FRAME', 'm-1', '{"event":"send","data":{"id":"m-1","to":"bob","content":{}}}'],
    ['half a character', 'BAD_FRAME', 'm-1', '{"event":"send","data":{"id":"m-1","to":"bob","content":"\\ud800"}}'],
    [
      'an id of other characters',
      'BAD_FRAME',
      undefined,
      '{"event":"send","data":{"id":"a b","to":"bob","content":""}}',
    ],
    ['a bad recipient', 'BAD_RECIPIENT', 'm-1', '{"event":"send","data":{"id":"m-1","to":"a|b","content":""}}'],
    ['an ack of a string', 'BAD_FRAME', undefined, '{"event":"ack","data":{"seq":"1"}}'],
  ])('refuses %s with %s and stays open', async (_what, code, id, frame) => {
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    alice.send(frame);
    const { data } = await alice.nextJson('exception');
    expect(data).toEqual({ status: 'error', code, message: expect.any(String), temporary: false, ...(id && { id }) });
    await alice.expectNothingElse('alice');
  });

  it('refuses a content over the limit with the id of the frame', async () => {
    const alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: 'bob', content: 'x'.repeat(65_537), id: 'm-1' });
    expect((await alice.until('exception')).data).toMatchObject({ code: 'CONTENT_TOO_LARGE', id: 'm-1' });
    alice.sendJson('send', { to: 'bob', content: 'x'.repeat(65_536), id: 'm-2' });
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-2', status: 'stored' }]);
  });

  it('ignores fields that it does not know', async () => {
    const alice = await chat.connectJson('alice');
    alice.send('{"event":"send","more":1,"data":{"to":"bob","content":"x","id":"m-1","__proto__":{"a":1},"extra":[]}}');
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'stored' }]);
  });
});
