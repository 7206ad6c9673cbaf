import { jest } from '@jest/globals';
import type { RecordStore } from '../src/record/index.js';
import { inOneBrowser, SharedStore } from './fake-tabs.js';

const NAME = 'holdfast:chat.test/chat:alice';
let store = new SharedStore();
jest.unstable_mockModule('../src/choose-store.js', () => ({ chooseStore: () => ({ store, name: NAME }) }));
// What imports the client comes behind that.
const { at, FakeRecord, recordStage } = await import('./record-stage.js');
const { onFakeTime, pass, settle, stage } = await import('./stage.js');

function keptStore(): RecordStore & { readonly kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>();
  return {
    kept,
    load: async () => [...kept],
    save: async (entries) => {
      for (const [key, value] of entries) {
        if (value === null) kept.delete(key);
        else kept.set(key, structuredClone(value));
      }
    },
    clear: async () => kept.clear(),
    close: async () => undefined,
  };
}

describe('tabs that share a connection', () => {
  onFakeTime();
  const browser = inOneBrowser();
  beforeEach(() => void (store = new SharedStore()));

  it('show the same of the record, ask over one connection, and go on when that tab is closed', async () => {
    const record = new FakeRecord();
    for (let n = 1; n <= 60; n += 1) record.add(n, 'bob');
    const recordStore = keptStore();
    const first = recordStage({ recordStore, store: 'auto' }, record);
    const second = recordStage({ recordStore, store: 'auto' }, record);
    await first.online();
    second.client.connect();
    await settle();
    second.client.open('bob');
    await settle();
    await second.client.earlier('bob');
    await first.live(record.add(61, 'bob'));
    first.server.last.message('id-62', { ...record.add(62, 'alice', 'bob'), seq: undefined as never, echo: true });
    await settle();
    expect([second.known('bob').length, first.known('bob').length, second.server.sockets.length]).toEqual([62, 62, 0]);

    second.client.markRead('bob');
    await pass(300);
    expect([first.client.unread, second.client.unread]).toEqual([0, 0]);
    expect(first.server.last.sent.filter(({ event }) => event === 'read')).toEqual([
      { event: 'read', data: { with: 'bob', upTo: at(62) } },
    ]);
    expect(first.asked()).toEqual([
      'sync',
      'conversations',
      'sync',
      'conversations',
      'history bob',
      'history bob before 0011',
    ]);

    await first.client.close();
    record.add(63, 'bob');
    await settle();
    second.server.last.welcome({ recordMs: 86_400_000 });
    await settle();
    expect([second.known('bob').at(-1), second.client.unread, second.asked()[0]]).toEqual([63, 1, 'sync after 60']);
    await pass(1_000);
    expect(recordStore.kept.get('bob')).toMatchObject({ newest: at(63), unread: 1 });
    await second.client.clear();
    expect([second.client.conversations, recordStore.kept.size]).toEqual([[], 0]);
    expect([...first.errors, ...second.errors]).toEqual([]);
    await second.client.close();
  });

  it('forget the record in all of them when one is cleared', async () => {
    const record = new FakeRecord();
    record.add(1, 'bob');
    const options = { recordStore: keptStore(), store: 'auto' } as const;
    const [first, second] = [recordStage(options, record), recordStage(options, record)];
    await first.online();
    second.client.connect();
    await settle();
    expect([first.known('bob'), second.known('bob')]).toEqual([[1], [1]]);
    const cleared = second.client.clear();
    await pass(100);
    await cleared;
    expect([first.client.conversations, second.client.conversations]).toEqual([[], []]);
    await first.client.close();
    await second.client.close();
  });

  it('give the connection to one that knows the record, so that a page of a plain client does not keep it from asking', async () => {
    const record = new FakeRecord();
    record.add(1, 'bob');
    const plain = stage();
    await plain.online();
    const recording = recordStage({ store: 'auto' }, record);
    recording.client.connect();
    await settle();
    recording.server.last.welcome({ recordMs: 86_400_000 });
    await settle();
    expect([recording.known('bob'), recording.client.unread]).toEqual([[1], 1]);
    browser.locks.tellFirst();
    await settle();
    expect(plain.server.last.isClosed).toBe(true);
    await recording.live(record.add(2, 'bob'));
    expect(recording.known('bob')).toEqual([1, 2]);

    const other = recordStage({ store: 'auto' }, record);
    other.client.connect();
    await settle();
    expect([other.known('bob'), other.server.sockets.length, plain.server.sockets.length]).toEqual([[2], 0, 1]);
    for (const { client } of [plain, recording, other]) await client.close();
  });

  it('stay online when the one that takes over has only sent', async () => {
    const plain = stage();
    await plain.online();
    const recording = recordStage({ store: 'auto' });
    recording.client.send('bob', 'hello');
    await settle();
    recording.server.last.welcome();
    await settle();
    expect(recording.server.last.count('send')).toBe(1);
    browser.locks.tellFirst();
    await settle();
    expect([plain.client.state.state, recording.client.state.state]).toEqual(['online', 'online']);
    for (const { client } of [plain, recording]) await client.close();
  });
});
