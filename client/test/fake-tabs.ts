import { MemoryStore } from '../src/memory-store.js';

/** The store of all tabs. */
export class SharedStore extends MemoryStore {
  override readonly persistent = true as never;
}

/** A channel that hands everything at once, as fake timers do not move that of Node. */
export class FakeChannel {
  static readonly open = new Set<FakeChannel>();
  /** Hears nothing, as the channel of a tab that hangs. */
  isDeaf = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly name: string) {
    FakeChannel.open.add(this);
  }

  postMessage(data: unknown): void {
    for (const other of FakeChannel.open) {
      if (other !== this && other.name === this.name && !other.isDeaf) {
        other.onmessage?.({ data: structuredClone(data) });
      }
    }
  }

  close(): void {
    FakeChannel.open.delete(this);
  }
}

/** One lock, first come, first served. A tab that it is taken away from hears of it when the test says so. */
export class FakeLocks {
  private last: Promise<unknown> = Promise.resolve();
  private readonly lost: (() => void)[] = [];

  request(_name: string, { steal = false }: { steal?: boolean }, hold: () => Promise<void>): Promise<unknown> {
    const isLost = new Promise((_, reject) => this.lost.push(() => reject(new Error('stolen'))));
    const held = steal ? hold() : this.last.then(hold);
    this.last = held;
    return Promise.race([held, isLost]);
  }

  query(): Promise<object> {
    return Promise.resolve({});
  }

  /** The tab that asked for the lock first hears that another one has it. */
  tellFirst(): void {
    this.lost[0]!();
  }
}

/** Each test has tabs in one browser: they share a channel and a lock. */
export function inOneBrowser(): { locks: FakeLocks } {
  const browser = { locks: new FakeLocks() };
  const originals = ['navigator', 'BroadcastChannel'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  beforeEach(() => {
    browser.locks = new FakeLocks();
    FakeChannel.open.clear();
    const define = (name: string, value: unknown) =>
      Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
    define('navigator', browser);
    define('BroadcastChannel', FakeChannel);
  });
  afterEach(() => {
    for (const [name, original] of originals) {
      if (original) Object.defineProperty(globalThis, name, original);
      else Reflect.deleteProperty(globalThis, name);
    }
  });
  return browser;
}
