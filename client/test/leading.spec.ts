import { jest } from '@jest/globals';
import type { OutboxEntry, ReceivedMessage } from '../src/index.js';
import { MemoryStore } from '../src/memory-store.js';
import { FakeServer } from './fake-server.js';
import { message } from './store-places.js';

/** A database whose outbox is read when the test says so, as that of a browser that was killed may be slow to open. */
class SlowStore extends MemoryStore {
  override readonly persistent = true as never;
  private readonly readers: (() => void)[] = [];

  override async outbox(): Promise<readonly OutboxEntry[]> {
    await new Promise<void>((resolve) => this.readers.push(resolve));
    return super.outbox();
  }

  answer(): Promise<void> {
    this.readers.shift()!();
    return settle();
  }
}

const store = new SlowStore();
jest.unstable_mockModule('../src/choose-store.js', () => ({
  chooseStore: () => ({ store, name: 'holdfast:chat.test/chat:alice' }),
}));
// What imports the client comes behind that.
const { createClient } = await import('../src/create-client.js');
const { onFakeTime, pass, settle } = await import('./stage.js');

/** The lock of the tabs, which a tab gets when the test says so. */
function fakeLocks() {
  let grant: () => void = () => undefined;
  const request = (_name: string, _options: object, hold: () => Promise<void>) =>
    new Promise<void>((resolve) => (grant = () => resolve(hold())));
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: { request } } });
  return { grant: () => grant() };
}

describe('a tab that begins to lead', () => {
  onFakeTime();
  const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator'); // Node 20 has none.
  afterEach(() => {
    if (original) Object.defineProperty(globalThis, 'navigator', original);
    else Reflect.deleteProperty(globalThis, 'navigator');
  });

  it('connects only when it has what an earlier page has left, so that nothing overtakes that', async () => {
    await store.receive([message('left')]);
    const locks = fakeLocks();
    const server = new FakeServer();
    const client = createClient({ url: 'ws://chat.test/chat', user: 'alice', WebSocket: server.WebSocket });
    const handed: ReceivedMessage[] = [];
    client.on('message', (each) => void handed.push(each));
    client.connect();
    await settle();
    locks.grant(); // While the outbox is still read for the first time.
    await settle();
    await store.answer();
    await pass(100);
    expect(server.sockets).toEqual([]);
    await store.answer();
    server.last.welcome();
    server.last.message('new');
    await settle();
    expect(handed).toMatchObject([
      { id: 'left', redelivered: true },
      { id: 'new', redelivered: false },
    ]);
    await client.close();
  });
});
