import { positionOf } from '../../../src/protocol/position.js';
import type { RecordedMessage } from '../../../src/record/record.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { RecordService } from '../../../src/record/record.service.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import type { TestClient } from '../../support/test-client.js';

const DAY_MS = 24 * 3_600_000;
const FIRST = { limit: 50 };

const idsOf = (messages: readonly RecordedMessage[]): string[] => messages.map(({ id }) => id);

describe.each(DATABASE_KINDS)('the record on %s', (_name, newKind) => {
  let kind: DatabaseKind;
  let chat: ChatApp;
  let url: string;
  let record: RecordService;

  const start = async (options: TestOptions = {}, folder?: string) => {
    chat = await ChatApp.start({ record: { keepMs: DAY_MS }, ...options }, folder, url);
    record = chat.app.get(RecordService);
  };
  const restart = async (options: TestOptions = {}) => start(options, await chat.stop());

  beforeAll(() => (kind = newKind()));
  beforeEach(async () => {
    url = await kind.create();
    await start();
  });
  afterEach(() => chat.dispose());
  afterAll(() => kind.dispose());

  /** Sends a message and returns its receipt; a client that is given acknowledges it. */
  async function say(from: TestClient, to: string, id: string, reader?: TestClient, seq = 1) {
    from.sendJson('send', { to, content: `content of ${id}`, id });
    if (reader) {
      await reader.until('message');
      reader.sendJson('ack', { seq });
    }
    return (await from.until('receipts')).data[0]!;
  }

  /** Has the sweep delete what stands before a position. */
  const sweepBefore = async (position: number) => {
    const sweep = record['sweep']!;
    const remove = sweep['table'].removeBefore.bind(sweep['table']);
    sweep['table'].removeBefore = () => remove(position);
    await sweep.sweep(0);
    sweep['table'].removeBefore = remove;
  };

  const history = (user: string, peer: string) => record.history(user, { with: peer, ...FIRST });

  it('has what was delivered at once and what waits, alike for both sides, at the positions of the receipts', async () => {
    const [ann, bob] = [await chat.connectJson('ann'), await chat.connectJson('bob')];
    const delivered = await say(ann, 'bob', 'live', bob);
    expect(delivered.status).toBe('delivered');
    await bob.close();
    const stored = await say(ann, 'bob', 'away');
    expect(stored.status).toBe('stored');
    const { items, before, after } = await history('ann', 'bob');
    expect(items).toMatchObject([
      { id: 'live', from: 'ann', to: 'bob', content: 'content of live', meta: null, erasedAt: null },
      { id: 'away', from: 'ann', to: 'bob', content: 'content of away' },
    ]);
    expect(items.map(({ position }) => position)).toEqual([delivered, stored].map((each) => positionOf(each.position)));
    expect([before, after]).toEqual([null, null]);
    expect((await history('bob', 'ann')).items).toEqual(items);
    expect((await history('bob', 'cid')).items).toEqual([]);
  });

  it('keeps the first of two with the same id, and tells the repeat where that is', async () => {
    const ann = await chat.connectJson('ann');
    const first = await say(ann, 'bob', 'm1');
    await restart();
    const again = await say(await chat.connectJson('ann'), 'bob', 'm1');
    expect(again).toMatchObject({ status: 'stored', position: first.position });
    const bob = await chat.connectJson('bob');
    expect((await bob.nextJson('message')).data.position).toBe(first.position);
    bob.sendJson('ack', { seq: 1 });
    await chat.untilPending('bob', 0);
    await restart();
    const [once, carl] = [await chat.connectJson('ann'), await chat.connectJson('bob')];
    expect(await say(once, 'bob', 'm1', carl)).toMatchObject({ status: 'delivered', position: first.position });
    expect((await history('ann', 'bob')).items).toHaveLength(1);
  });

  it('records neither what is refused nor what counts only now, and asks which messages to record', async () => {
    await restart({
      record: { keepMs: DAY_MS, of: ({ content }) => content !== 'content of secret' },
      maxPendingPerSender: 1,
    });
    const ann = await chat.connectJson('ann');
    expect(await say(ann, 'bob', 'secret')).not.toHaveProperty('position');
    ann.sendJson('send', { to: 'bob', content: 'x', id: 'refused' });
    await ann.nextJson('exception');
    ann.sendJson('send', { to: 'cid', content: 'x', id: 'now', ttl: 0 });
    expect((await ann.nextJson('receipts')).data).toMatchObject([{ status: 'absent' }]);
    expect((await record.conversations('ann', FIRST)).items).toEqual([]);
  });

  it('gives pages before and after a position, and says where they go on', async () => {
    const ann = await chat.connectJson('ann');
    for (let n = 1; n <= 7; n += 1) await say(ann, 'bob', `m${n}`);
    const newest = await record.history('bob', { with: 'ann', limit: 3 });
    expect(idsOf(newest.items)).toEqual(['m5', 'm6', 'm7']);
    expect(newest.after).toBeNull();
    const older = await record.history('bob', { with: 'ann', before: newest.before!, limit: 3 });
    expect(idsOf(older.items)).toEqual(['m2', 'm3', 'm4']);
    const oldest = await record.history('bob', { with: 'ann', before: older.before!, limit: 3 });
    expect(idsOf(oldest.items)).toEqual(['m1']);
    expect(oldest.before).toBeNull();
    const newer = await record.history('bob', { with: 'ann', after: oldest.after!, limit: 3 });
    expect(idsOf(newer.items)).toEqual(['m2', 'm3', 'm4']);
    const last = await record.history('bob', { with: 'ann', after: newer.after!, limit: 3 });
    expect([idsOf(last.items), last.after]).toEqual([['m5', 'm6', 'm7'], null]);
  });

  it('ends a page with the message that brings it to 1 MiB', async () => {
    await restart({ maxContentBytes: 600_000, maxFrameBytes: 1_000_000, maxPendingBytesPerUser: null });
    const ann = await chat.connectJson('ann');
    for (const id of ['m1', 'm2', 'm3']) {
      ann.sendJson('send', { to: 'bob', content: id.padEnd(550_000, '.'), id });
      await ann.until('receipts');
    }
    const newest = await history('ann', 'bob');
    expect(idsOf(newest.items)).toEqual(['m2', 'm3']);
    expect(newest.before).toBe(newest.items[0]!.position);
    const { after } = await record.sync('bob', FIRST);
    const synced = await record.sync('bob', { after: after - 3, ...FIRST });
    expect([idsOf(synced.items), synced.hasMore]).toEqual([['m1', 'm2'], true]);
    expect((await record.sync('bob', { after: synced.after, ...FIRST })).items).toHaveLength(1);
  });

  it('syncs what was received and sent since a cursor, in the order of the commits', async () => {
    const [ann, bob] = [await chat.connectJson('ann'), await chat.connectJson('bob')];
    const start = await record.sync('ann', FIRST);
    expect(start).toEqual({ items: [], after: 0, hasMore: false, isComplete: false });
    await say(ann, 'cid', 'm1');
    await say(bob, 'ann', 'm2', ann);
    await say(ann, 'ann', 'note', ann, 2);
    const first = await record.sync('ann', { after: start.after, limit: 2 });
    expect([idsOf(first.items), first.hasMore, first.isComplete]).toEqual([['m1', 'm2'], true, true]);
    const second = await record.sync('ann', { after: first.after, limit: 2 });
    expect([idsOf(second.items), second.hasMore]).toEqual([['note'], false]);
    expect(await record.sync('ann', { after: second.after, limit: 2 })).toEqual({ ...second, items: [] });
    expect(await record.sync('ann', { after: second.after + 1, limit: 2 })).toMatchObject({
      items: [],
      isComplete: false,
    });
  });

  it('has a device begin anew that may have got what was removed as its commit had been reported as failed', async () => {
    const ann = await chat.connectJson('ann');
    await say(ann, 'cid', 'm1');
    const row = { from: 'ann', to: 'bob', id: 'm2', position: positionOf((await say(ann, 'bob', 'm2')).position)! };
    const [known, others] = [await record.sync('bob', FIRST), await record.sync('cid', FIRST)];
    const { handle } = chat.app.get(OfflineMessageService)['writer'] as unknown as {
      handle: { record: { remove(rows: readonly object[]): Promise<void> } };
    };
    await handle.record.remove([{ ...row, position: row.position + 2 }]);
    expect(await record.sync('bob', { ...FIRST, after: known.after })).toMatchObject({ isComplete: true, items: [] });
    await handle.record.remove([row]);
    const anew = await record.sync('bob', { ...FIRST, after: known.after });
    expect(anew).toMatchObject({ isComplete: false, items: [] });
    expect(await record.sync('cid', { ...FIRST, after: others.after })).toMatchObject({ isComplete: true });
    await say(ann, 'bob', 'm3');
    const { items, isComplete } = await record.sync('bob', { ...FIRST, after: anew.after });
    expect([idsOf(items), isComplete]).toEqual([['m3'], true]);
    expect(idsOf((await history('bob', 'ann')).items)).toEqual(['m3']);
  });

  it('lists conversations, the newest first, with what is unread and how far both sides are', async () => {
    const [ann, bob] = [await chat.connectJson('ann'), await chat.connectJson('bob')];
    const one = await say(ann, 'bob', 'm1', bob);
    await say(ann, 'bob', 'm2', bob, 2);
    const three = await say(bob, 'ann', 'm3', ann);
    await say(ann, 'cid', 'm4');
    await chat.delivery.flush();
    const { items, before } = await record.conversations('ann', { limit: 1 });
    expect(items).toMatchObject([
      { with: 'cid', last: { id: 'm4' }, unread: 0, peer: { delivered: null, read: null } },
    ]);
    expect((await record.conversations('ann', { before: before!, limit: 1 })).items).toMatchObject([
      { with: 'bob', last: { id: 'm3' }, unread: 1, own: { delivered: positionOf(three.position), read: null } },
    ]);
    await record.markRead('bob', 'ann', positionOf(one.position)!);
    expect((await record.conversations('bob', FIRST)).items).toMatchObject([
      {
        with: 'ann',
        unread: 1,
        own: { read: positionOf(one.position) },
        peer: { delivered: positionOf(three.position) },
      },
    ]);
    expect(await Promise.all([record.unread('bob'), record.unread('bob', 'ann'), record.unread('cid')])).toEqual([
      1, 1, 1,
    ]);
  });

  it('moves marks forward only, to the newest message at most, and tells of each that has moved', async () => {
    const [ann, bob] = [await chat.connectJson('ann'), await chat.connectJson('bob')];
    const told: unknown[] = [];
    record.moved.on((mark) => told.push(mark));
    const one = positionOf((await say(ann, 'bob', 'm1', bob)).position)!;
    const two = positionOf((await say(ann, 'bob', 'm2', bob, 2)).position)!;
    await chat.delivery.flush();
    expect(told.at(-1)).toEqual({ user: 'bob', with: 'ann', delivered: two });
    told.length = 0;
    await record.markRead('bob', 'ann', one);
    await record.markRead('bob', 'ann', two + 1_000_000);
    await record.markRead('bob', 'ann', one);
    await record.markRead('bob', 'stranger', one);
    expect(told).toEqual([
      { user: 'bob', with: 'ann', read: one },
      { user: 'bob', with: 'ann', read: two },
    ]);
    expect(await record.unread('bob')).toBe(0);
  });

  it('deletes what is older than it is kept, and says to whoever syncs from before that it is not complete', async () => {
    const ann = await chat.connectJson('ann');
    for (const id of ['m1', 'm2']) await say(ann, 'bob', id);
    const { after } = await record.sync('bob', FIRST);
    const between = (await history('ann', 'bob')).items[1]!;
    await say(ann, 'cid', 'm3');
    await sweepBefore(between.position);
    expect(idsOf((await history('ann', 'bob')).items)).toEqual(['m2']);
    expect(await record.sync('bob', { after: after - 2, ...FIRST })).toMatchObject({ items: [], isComplete: false });
    expect(await record.sync('bob', { after: after - 1, ...FIRST })).toMatchObject({
      items: [{ id: 'm2' }],
      isComplete: true,
    });
    await sweepBefore(between.position + 1);
    expect((await record.conversations('ann', FIRST)).items).toMatchObject([{ with: 'cid' }]);
    expect((await record.conversations('bob', FIRST)).items).toEqual([]);
    expect(record.counts).toMatchObject({ recorded: 3, expired: 2 });
  });

  it('keeps the newest of a conversation that has too many', async () => {
    await restart({ record: { keepMs: DAY_MS, maxPerConversation: 2 } });
    const ann = await chat.connectJson('ann');
    for (const id of ['m1', 'm2', 'm3', 'm4']) await say(ann, 'bob', id);
    await say(ann, 'cid', 'm5');
    await sweepBefore(0);
    expect(idsOf((await history('ann', 'bob')).items)).toEqual(['m3', 'm4']);
    expect((await record.conversations('ann', FIRST)).items).toMatchObject([
      { with: 'cid' },
      { with: 'bob', last: { id: 'm4' } },
    ]);
  });

  it('counts what was recorded, and reads and writes nothing of it when it is off', async () => {
    const ann = await chat.connectJson('ann');
    await say(ann, 'bob', 'm1');
    expect(record.counts).toEqual({ recorded: 1, expired: 0, erased: 0 });
    await restart({ record: null });
    expect(await say(await chat.connectJson('ann'), 'bob', 'm2')).not.toHaveProperty('position');
    await expect(history('ann', 'bob')).rejects.toMatchObject({ code: 'NOT_RECORDED' });
    await restart({});
    expect(idsOf((await history('ann', 'bob')).items)).toEqual(['m1']);
  });
});
