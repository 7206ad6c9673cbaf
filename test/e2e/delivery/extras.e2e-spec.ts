import { ChatService } from '../../../src/index.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { TestClient } from '../../support/test-client.js';

const META = { type: 'order.shipped', order: 7, ключ: ['\u{1f600}', null, { deep: { er: "it's" } }] };

describe.each(DATABASE_KINDS)('what a sender adds to a message, on %s,', (_name, makeKind) => {
  let kind: DatabaseKind;
  let chat: ChatApp;
  let clock: ManualClock;
  let alice: TestClient;
  beforeAll(() => {
    kind = makeKind();
  });
  afterAll(() => kind.dispose());
  afterEach(() => chat.dispose());

  async function start(options: TestOptions = {}): Promise<void> {
    clock = new ManualClock();
    chat = await ChatApp.start({ clock, heartbeatMs: 600_000, ...options }, undefined, await kind.create());
    alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
  }

  /** Sends a message to Bob; returns its receipt. */
  async function send(id: string, more: object = {}): Promise<string> {
    alice.sendJson('send', { to: 'bob', content: id, id, ...more });
    const { data } = await alice.until('receipts');
    return data.map((receipt) => `${receipt.id} ${receipt.status}`).join();
  }

  /** The ids of what Bob gets when he connects now. */
  async function waiting(): Promise<string[]> {
    const bob = await chat.connectJson('bob');
    const ids: string[] = [];
    for (;;) {
      const { event, data } = await bob.nextJson();
      if (event === 'caught-up') break;
      if (event === 'message') ids.push(data.id);
    }
    bob.sendJson('ack', { seq: ids.length });
    await chat.untilPending('bob', 0);
    await bob.drop();
    await chat.untilOffline('bob');
    return ids;
  }

  it('comes as it was sent, live and from the disk, and text clients get the content alone', async () => {
    await start({ sessions: 'multiple' });
    const extras = { meta: META, ttl: 60, topic: 'order-7', urgency: 'high' };
    const expected = {
      content: 'm1',
      meta: META,
      expiresAt: new Date(clock.now() + 60_000).toISOString(),
      topic: 'order-7',
      urgency: 'high',
    };
    expect(await send('m1', extras)).toBe('m1 stored');
    const { body } = await chat.rest('GET', '/chat/pending/bob');
    expect(body.items).toMatchObject([expected]);
    const bob = await chat.connectJson('bob');
    expect((await bob.until('message')).data).toMatchObject({ ...expected, stored: true });
    bob.sendJson('ack', { seq: 1 });
    await chat.untilPending('bob', 0);
    const text = await chat.connect('bob');
    await chat.untilOnline('bob');
    await chat.delivery.flush(); // It has read its mailbox.
    alice.sendJson('send', { to: 'bob', content: 'm2', id: 'm2', ...extras });
    expect((await bob.until('message')).data).toMatchObject({ ...expected, content: 'm2', stored: false });
    expect(await text.next()).toBe('m2');
    alice.sendJson('broadcast', { content: 'all', meta: META });
    expect((await bob.until('message')).data).toMatchObject({ content: 'all', to: '*', meta: META });
    expect(await text.next()).toBe('all');
  });

  it('is sent by the application and by REST too', async () => {
    await start();
    const bob = await chat.connectJson('bob');
    await bob.nextJson('caught-up');
    const service = chat.app.get(ChatService);
    const receipt = service.send({ from: 'shop', to: 'bob', content: 'x', meta: META, urgency: 'low' });
    expect((await bob.until('message')).data).toMatchObject({ from: 'shop', meta: META, urgency: 'low' });
    bob.sendJson('ack', { seq: 1 });
    expect(await receipt).toMatchObject({ status: 'delivered' });
    const sent = chat.rest('POST', '/chat/messages', { from: 'shop', to: 'bob', content: 'y', meta: META, topic: 't' });
    expect((await bob.until('message')).data).toMatchObject({ content: 'y', meta: META, topic: 't' });
    bob.sendJson('ack', { seq: 2 });
    expect(await sent).toMatchObject({ status: 201, body: { status: 'delivered' } });
    const absent = await chat.rest('POST', '/chat/messages', { from: 'shop', to: 'nobody', content: 'z', ttl: 0 });
    expect(absent).toMatchObject({ status: 201, body: { status: 'absent' } });
  });

  it('ends a message whose time is over, wherever it waits', async () => {
    await start();
    expect(await send('m1', { ttl: 5 })).toBe('m1 stored');
    expect(await send('m2')).toBe('m2 stored');
    clock.advance(5_000);
    expect(await send('m3', { ttl: 5 })).toBe('m3 stored');
    clock.advance(2);
    const [{ data }] = [await alice.nextJson('endings')];
    expect(data).toEqual([{ id: 'm1', to: 'bob', end: 'expired' }]);
    expect(await waiting()).toEqual(['m2', 'm3']);
    await chat.untilTotals({ confirmed: 2, expired: 1, pending: 0 });
    chat.expectBalanced();
  });

  it('is not delivered behind its time when nobody has found it yet, nor after a restart', async () => {
    await start();
    await send('m1', { ttl: 2 });
    await send('m2', { ttl: 9 });
    clock.setBy(2_001); // No timer is due by this.
    expect(await waiting()).toEqual(['m2']);
    await chat.untilTotals({ confirmed: 1, expired: 1, pending: 0 });
    await send('m3', { ttl: 2 });
    await chat.dropAll();
    await chat.untilTotals({ pending: 1 });
    chat = await chat.restart();
    clock.advance(5_000);
    await chat.untilTotals({ expired: 1, pending: 0 });
  });

  it('does not recall what is in flight: its confirmation counts, and its connection is the last that gets it', async () => {
    await start();
    const bob = await chat.connectJson('bob');
    for (const id of ['m1', 'm2']) alice.sendJson('send', { to: 'bob', content: 'x', id, ttl: 2, topic: 'one' });
    for (const id of ['m1', 'm2']) expect((await bob.until('message')).data).toMatchObject({ id });
    clock.advance(1_000);
    await chat.untilTotals({ pending: 2 });
    clock.advance(5_000);
    await chat.delivery.flush();
    bob.sendJson('ack', { seq: 1 });
    await chat.untilTotals({ confirmed: 1, pending: 1 });
    await bob.drop();
    await chat.untilTotals({ confirmed: 1, expired: 1, replaced: 0 });
    expect(await waiting()).toEqual([]);
  });

  it('replaces what waits with its topic, and takes its own place in the order', async () => {
    await start();
    for (const id of ['m1', 'm2']) expect(await send(id, { topic: 'one' })).toBe(`${id} stored`);
    expect((await alice.nextJson('endings')).data).toEqual([{ id: 'm1', to: 'bob', end: 'replaced' }]);
    await send('m3');
    await send('m4', { topic: 'two' });
    await send('m5', { topic: 'one' });
    const eve = await chat.connectJson('eve');
    eve.sendJson('send', { to: 'bob', content: 'x', id: 'e1', topic: 'one' });
    expect((await eve.until('receipts')).data).toMatchObject([{ status: 'stored' }]);
    expect(await waiting()).toEqual(['m3', 'm4', 'm5', 'e1']);
    await chat.untilTotals({ replaced: 2, confirmed: 4, pending: 0 });
    chat.expectBalanced();
  });

  it('replaces what came in the same commit, and in the moment of a connect', async () => {
    await start();
    for (const id of ['m1', 'm2', 'm3']) alice.sendJson('send', { to: 'bob', content: 'x', id, topic: 'one' });
    await chat.untilTotals({ accepted: 3, replaced: 2 });
    const disk = chat.blockDisk();
    alice.sendJson('send', { to: 'cat', content: 'x' });
    await disk.begun;
    const connecting = chat.connectJson('bob');
    await chat.untilOnline('bob'); // Its first page is not read yet.
    for (const id of ['m4', 'm5']) alice.sendJson('send', { to: 'bob', content: 'x', id, topic: 'one' });
    alice.sendJson('ping', {});
    await alice.until('pong');
    disk.release();
    const bob = await connecting;
    expect((await bob.until('message')).data).toMatchObject({ id: 'm5' });
    bob.sendJson('ack', { seq: 1 });
    await chat.untilTotals({ replaced: 4, confirmed: 1 });
    chat.expectBalanced();
  });

  it('drops the least urgent of a full mailbox first, and never changes the order', async () => {
    await start({ maxPendingPerUser: 3, overflow: 'evict-oldest' });
    const urgencies = { m1: 'high', m2: 'low', m3: undefined, m4: 'very-low', m5: 'normal', m6: 'high' };
    for (const [id, urgency] of Object.entries(urgencies)) await send(id, { urgency });
    await chat.untilTotals({ evicted: 3 });
    expect(await waiting()).toEqual(['m1', 'm5', 'm6']);
  });

  it('goes to who is there or to nobody with a ttl of 0, and is never stored', async () => {
    await start({ ackWindow: 2 });
    expect(await send('m1', { ttl: 0 })).toBe('m1 absent');
    expect(await send('m1', { ttl: 0 })).toBe('m1 absent'); // It was not accepted, so this is no repeat.
    const bob = await chat.connectJson('bob');
    await bob.nextJson('caught-up');
    for (const id of ['m2', 'm3', 'm4']) alice.sendJson('send', { to: 'bob', content: 'x', id, ttl: 0 });
    for (const id of ['m2', 'm3']) expect((await bob.until('message')).data).toMatchObject({ id, stored: false });
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm4', status: 'absent' }]); // The window is full.
    bob.sendJson('ack', { seq: 1 });
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm2', status: 'delivered' }]);
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm5' });
    await bob.until('message');
    clock.advance(1_000);
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm3', status: 'absent' }]);
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm5', status: 'stored' }]);
    await chat.untilTotals({ accepted: 2, confirmed: 1, pending: 1, absent: 4 });
    await bob.drop();
    await chat.untilOffline('bob');
    expect(await waiting()).toEqual(['m5']);
    expect(chat.storedEver()).toBe(1);
    chat.expectBalanced();
  });

  it('is delivered with a ttl of 0 also where everything else is stored first', async () => {
    await start({ persistAfterMs: 0 });
    const bob = await chat.connectJson('bob');
    await bob.nextJson('caught-up');
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm1', ttl: 0 });
    await bob.until('message');
    bob.sendJson('ack', { seq: 1 });
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm1', status: 'delivered' }]);
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm2', ttl: 0 });
    await bob.until('message');
    await bob.drop();
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm2', status: 'absent' }]);
    expect(chat.storedEver()).toBe(0);
    chat.expectBalanced();
  });
});
