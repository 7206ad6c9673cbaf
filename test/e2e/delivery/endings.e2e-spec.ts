import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import type { TestClient } from '../../support/test-client.js';

describe.each(DATABASE_KINDS)('the sender of a stored message, on %s,', (_name, makeKind) => {
  let kind: DatabaseKind;
  let chat: ChatApp;
  beforeAll(() => {
    kind = makeKind();
  });
  afterAll(() => kind.dispose());
  afterEach(() => chat.dispose());

  async function start(options: TestOptions = {}): Promise<void> {
    chat = await ChatApp.start(options, undefined, await kind.create());
  }

  /** Sends messages with these ids to Bob, each when the one before is stored. */
  async function store(sender: TestClient, ...ids: string[]): Promise<void> {
    for (const id of ids) {
      sender.sendJson('send', { to: 'bob', content: 'x', id });
      expect((await sender.until('receipts')).data).toMatchObject([{ id, status: 'stored' }]);
    }
  }

  /** Bob connects and confirms so many messages. */
  async function confirm(count: number): Promise<void> {
    const bob = await chat.connectJson('bob');
    for (let n = 0; n < count; n += 1) await bob.until('message');
    bob.sendJson('ack', { seq: count });
    await chat.untilPending('bob', 0);
  }

  /** The ends that come next, `id: end`. */
  async function nextEnds(client: TestClient): Promise<string[]> {
    const { data } = await client.nextJson('endings');
    return data.map(({ id, to, end }) => `${id} to ${to}: ${end}`);
  }

  it('is told on every JSON connection that it was delivered, in one frame, once', async () => {
    await start({ sessions: 'multiple' });
    const [phone, desk, text] = [
      await chat.connectJson('alice'),
      await chat.connectJson('alice'),
      await chat.connect('alice'),
    ];
    await desk.until('caught-up');
    await store(phone, 'm1', 'm2');
    await confirm(2);
    for (const device of [phone, desk])
      expect(await nextEnds(device)).toEqual(['m1 to bob: delivered', 'm2 to bob: delivered']);
    await text.expectNothingElse('alice');
    for (const device of [phone, desk]) expect((await device.nextJson()).event).toBe('message');
  });

  it('is told that it expired, was purged or was evicted', async () => {
    await start({ maxPendingPerUser: 2, overflow: 'evict-oldest' });
    const alice = await chat.connectJson('alice');
    await store(alice, 'm1', 'm2', 'm3');
    expect(await nextEnds(alice)).toEqual(['m1 to bob: evicted']);
    await chat.rest('DELETE', '/chat/pending/bob/alice/m2');
    expect(await nextEnds(alice)).toEqual(['m2 to bob: purged']);
    await chat.app.get(OfflineMessageService).expire(Date.now() + 60_000);
    expect(await nextEnds(alice)).toEqual(['m3 to bob: expired']);
    await alice.expectNothingElse('alice');
  });

  it('is told also when both have connected after a restart', async () => {
    await start();
    const before = await chat.connectJson('alice');
    await store(before, 'm1');
    chat = await chat.restart();
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    await confirm(1);
    expect(await nextEnds(alice)).toEqual(['m1 to bob: delivered']);
  });

  it('is told nothing of what was relayed, also when it was being stored meanwhile', async () => {
    await start();
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    for (const client of [alice, bob]) await client.nextJson('caught-up');
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'live' });
    bob.sendJson('ack', { seq: (await bob.nextJson('message')).data.seq });
    expect((await alice.nextJson('receipts')).data).toMatchObject([{ id: 'live', status: 'delivered' }]);

    const disk = chat.blockDisk();
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'slow' });
    const { data } = await bob.nextJson('message');
    const settled = chat.delivery.settle();
    await disk.begun;
    bob.sendJson('ack', { seq: data.seq });
    expect((await alice.nextJson('receipts')).data).toMatchObject([{ id: 'slow', status: 'delivered' }]);
    disk.release();
    await settled;
    await chat.untilTotals({ confirmed: 2, pending: 0 });
    await alice.expectNothingElse('alice');
  });

  it('is told the receipt first, when the message is evicted by the commit that stored it', async () => {
    await start({ maxPendingPerUser: 1, overflow: 'evict-oldest' });
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    for (const id of ['m1', 'm2', 'm3']) alice.sendJson('send', { to: 'bob', content: 'x', id });
    const seen: string[] = [];
    while (seen.length < 5) {
      const { event, data } = await alice.nextJson();
      if (event === 'receipts') seen.push(...data.map(({ id }) => id));
      if (event === 'endings') seen.push(...data.map(({ id, end }) => `${id} ${end}`));
    }
    expect([...seen].sort()).toEqual(['m1', 'm1 evicted', 'm2', 'm2 evicted', 'm3']);
    for (const id of ['m1', 'm2']) expect(seen.indexOf(id)).toBeLessThan(seen.indexOf(`${id} evicted`));
  });
});
