import { jest } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeChannel, inOneBrowser, SharedStore } from './fake-tabs.js';
import { entry, filePlace, message } from './store-places.js';
import { fileRecord } from '../src/record/file-record-store.js';
import type { RecordStore } from '../src/record/index.js';

/** A store that outlives its page, with what an earlier one has left. What is in `broken` fails. */
class BreakableStore extends SharedStore {
  readonly broken = new Set<'append' | 'clear'>();

  override async append(...args: Parameters<SharedStore['append']>): Promise<void> {
    if (this.broken.has('append')) throw new Error('the disk is full');
    return super.append(...args);
  }

  override async clear(): Promise<void> {
    if (this.broken.has('clear')) throw new Error('the disk is gone');
    return super.clear();
  }

  async rows(): Promise<number> {
    return (await Promise.all([this.outbox(), this.inbox()])).flat().length;
  }
}

/** The store of the tabs that share one. */
let shared = new BreakableStore();
const { chooseStore } = await import('../src/choose-store.js');
jest.unstable_mockModule('../src/choose-store.js', () => ({
  chooseStore: (options: Parameters<typeof chooseStore>[0]) =>
    options.store === 'auto' ? { store: shared, name: 'holdfast:chat.test/chat:alice' } : chooseStore(options),
}));
// What imports the client comes behind that.
const { recordStage } = await import('./record-stage.js');
const { onFakeTime, pass, settle, stage } = await import('./stage.js');

function breakableRecord(): RecordStore & { readonly kept: Map<string, unknown>; isBroken: boolean } {
  const kept = new Map<string, unknown>([['', { cursor: '0', recordMs: 86_400_000 }]]);
  return {
    kept,
    isBroken: false,
    load: async () => [...kept],
    save: async (entries) => entries.forEach(([key, value]) => kept.set(key, value)),
    async clear() {
      if (this.isBroken) throw new Error('the record is stuck');
      kept.clear();
    },
    close: async () => undefined,
  };
}

const NOT_CLEARED = { name: 'RefusedError', code: 'NOT_CLEARED' };
const notCleared = (why: Error) => ({ ...NOT_CLEARED, message: `something may be left: ${why}` });

describe('a sign-out', () => {
  onFakeTime();

  it('is rejected when the store could not be emptied, and has done all the rest', async () => {
    const [store, recordStore] = [new BreakableStore(), breakableRecord()];
    await store.receive([message('left')]);
    store.broken.add('clear');
    const { client, online, record, errors } = recordStage({ store, recordStore });
    record.add(1, 'bob');
    const socket = await online();
    await pass(1_000);
    const sent = client.send('bob', 'x');
    await sent.kept;
    expect(recordStore.kept.size).toBe(2);
    const cause = new Error('the disk is gone');
    await expect(client.clear()).rejects.toMatchObject(notCleared(cause));
    await expect(sent.settled).rejects.toMatchObject({ code: 'CLOSED' });
    expect([socket.isClosed, client.state.state, client.pending, client.conversations]).toEqual([true, 'idle', [], []]);
    expect([recordStore.kept.size, errors]).toEqual([0, [['store', cause]]]);
    await client.close();
  });

  it('hands and sends nothing of what could not be removed', async () => {
    const store = new BreakableStore();
    store.broken.add('clear');
    const { client, online, messages, listen } = stage({ store });
    const first = await online();
    client.send('bob', 'x', { id: 'm0' });
    first.message('left');
    await settle();
    await expect(client.clear()).rejects.toMatchObject(NOT_CLEARED);
    listen();
    const second = await online();
    expect([messages, second.ids(), await store.rows()]).toEqual([[], [], 1]);
    await client.close();
  });

  it('empties the store beneath the memory that has taken over, and is rejected when that fails', async () => {
    const store = new BreakableStore();
    await store.append(entry('left'));
    await store.receive([message('left')]);
    store.broken.add('append');
    const { client, online, errors } = stage({ store });
    await online();
    expect(await client.send('bob', 'x').kept).toEqual({ persistent: false });
    store.broken.add('clear');
    await expect(client.clear()).rejects.toMatchObject(NOT_CLEARED);
    expect(await store.rows()).toBe(1); // What was cancelled is removed one by one.
    store.broken.clear();
    await client.clear();
    expect([await store.rows(), errors.length]).toEqual([0, 1]);
    await client.close();
  });

  it('is rejected when the copy of the record could not be removed, until that is possible', async () => {
    const [store, recordStore] = [new BreakableStore(), breakableRecord()];
    await store.receive([message('left')]);
    recordStore.isBroken = true;
    const { client, online, errors } = recordStage({ store, recordStore });
    await online();
    const cause = new Error('the record is stuck');
    await expect(client.clear()).rejects.toMatchObject(notCleared(cause));
    await expect(client.clear()).rejects.toMatchObject(notCleared(cause));
    expect([await store.rows(), recordStore.kept.size]).toEqual([0, 1]);
    recordStore.isBroken = false;
    await client.clear();
    expect([recordStore.kept.size, errors]).toEqual([0, [cause, cause].map((error) => ['store', error])]);
    await client.close();
  });

  it('has no unhandled rejection when nobody waits for it', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    const [store, recordStore] = [new BreakableStore(), breakableRecord()];
    store.broken.add('clear');
    recordStore.isBroken = true;
    const clients = [stage({ store }).client, recordStage({ store, recordStore }).client];
    for (const client of clients) void client.clear();
    await settle();
    for (const client of clients) await client.close();
    jest.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('goes on after a file that could not be written, and leaves nothing in it when it can', async () => {
    jest.useRealTimers();
    const place = await filePlace();
    const { client, errors } = stage({ store: await place.open() });
    await client.send('bob', 'secret').kept;
    await place.removeLock();
    const cause = new Error('another process has taken this store over');
    await expect(client.clear()).rejects.toMatchObject(notCleared(cause));
    expect(await readFile(place.path, 'utf8')).toContain('secret');
    expect(errors.length).toBe(1);
    await client.close();
    const again = stage({ store: await place.open() });
    await again.client.clear();
    expect(await readFile(place.path, 'utf8')).not.toContain('secret');
    await again.client.close();
    await place.remove();
  });
});

describe('a sign-out in one of several tabs', () => {
  onFakeTime();
  inOneBrowser();
  beforeEach(() => void (shared = new BreakableStore()));

  it('takes the other ones offline, also when the store cannot be emptied', async () => {
    const [first, second] = [stage({ store: 'auto' }), stage({ store: 'auto' })];
    await first.online();
    second.client.connect();
    await settle();
    shared.broken.add('clear');
    await second.client.send('bob', 'x').kept;
    const cleared = second.client.clear();
    await pass(100);
    await expect(cleared).rejects.toMatchObject(NOT_CLEARED);
    const states = [first, second].map(({ client }) => [client.state.state, client.pending.length]);
    expect(states).toEqual([
      ['idle', 0],
      ['idle', 0],
    ]);
    for (const { client } of [first, second]) await client.close();
  });

  it('is rejected while the one with the connection hangs, as it may write when it wakes', async () => {
    const [first, second] = [stage({ store: 'auto' }), stage({ store: 'auto' })];
    await first.online();
    const [channel] = FakeChannel.open;
    second.client.connect();
    await settle();
    await shared.receive([message('left')]);
    channel!.isDeaf = true;
    const cleared = second.client.clear();
    await pass(2_000);
    await expect(cleared).rejects.toMatchObject(NOT_CLEARED);
    expect(await shared.rows()).toBe(0);
    await pass(16_000); // It is replaced.
    expect(second.client.state.state).toBe('idle');
    await second.client.clear();
    for (const { client } of [first, second]) await client.close();
  });
});

describe('the file of the record', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'holdfast-record-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('is removed with what a crash has left beside it', async () => {
    const store = fileRecord(join(folder, 'alice.record'));
    await store.save([['bob', 1]]);
    await writeFile(join(folder, 'alice.record.new'), '{"version":1,"entries":[["bob","secret"]]}');
    await store.clear();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is left alone when it is of somebody else, also before it was read', async () => {
    const path = join(folder, 'notes.txt');
    await writeFile(path, 'mine');
    await expect(fileRecord(path).clear()).rejects.toThrow('not a record');
    const store = fileRecord(path);
    await expect(store.load()).rejects.toThrow('not a record');
    expect(await readFile(path, 'utf8')).toBe('mine');
    await rm(path);
    await store.clear();
  });
});
