import { keyOf, MAX_SEEN, type InboxMessage, type MessageKey, type OutboxEntry, type Store } from './store.js';

/** After so many messages what was seen is trimmed again. */
const TRIM_EVERY = 1_000;

/** Makes the requests of one write. What it returns is whole when the transaction is complete. */
type Requests<T> = (transaction: IDBTransaction, seenNow: Set<MessageKey>) => T;

interface Write {
  readonly kind: 'append' | 'receive' | 'remove' | 'clear';
  /** Returns what is called when the transaction is complete. */
  readonly begin: Requests<() => void>;
  readonly fail: (error: unknown) => void;
}

/**
 * A store in IndexedDB. What is written while a transaction is under way goes into the next one, together with what is of
 * the same kind: a look-up of one kind would not see what another kind changes in the same transaction.
 *
 * The version of the database is never asked for, so that two versions of this library in two tabs do not block each
 * other: a later version may only add to what is here. A handle that the browser has closed, as WebKit does, is opened
 * again once.
 */
export class IndexedDbStore implements Store {
  readonly persistent = true;
  #opened: Promise<IDBDatabase> | null = null;
  #waiting: Write[] = [];
  #committing: Promise<void> | null = null;
  #receivedSinceTrim = TRIM_EVERY;

  constructor(private readonly name: string) {}

  append(entry: OutboxEntry): Promise<void> {
    return this.#write('append', (transaction, seenNow) => {
      if (seenNow.has(`\n${entry.id}`)) return;
      seenNow.add(`\n${entry.id}`);
      const outbox = transaction.objectStore('outbox');
      const known = outbox.index('id').getKey(entry.id);
      known.onsuccess = () => known.result === undefined && outbox.add(entry);
    });
  }

  settle(ids: readonly string[]): Promise<void> {
    return this.#remove('outbox', 'id', ids);
  }

  async outbox(): Promise<readonly OutboxEntry[]> {
    const rows = await this.#read<OutboxEntry & { order: number }>('outbox');
    return rows.map(({ order: _order, ...entry }) => entry);
  }

  async receive(messages: readonly InboxMessage[]): Promise<readonly InboxMessage[]> {
    this.#receivedSinceTrim += messages.length;
    const isTrimDue = this.#receivedSinceTrim >= TRIM_EVERY;
    if (isTrimDue) this.#receivedSinceTrim = 0;
    return this.#write('receive', (transaction, seenNow) => {
      const seen = transaction.objectStore('seen');
      const fresh: InboxMessage[] = [];
      for (const message of messages) {
        const key = keyOf(message);
        if (seenNow.has(key)) continue;
        seenNow.add(key); // The requests below are made before any of them is answered.
        const known = seen.index('key').getKey(key);
        known.onsuccess = () => {
          if (known.result !== undefined) return;
          seen.add({ key });
          transaction.objectStore('inbox').add({ key, message });
          fresh.push(message);
        };
      }
      if (isTrimDue) trim(seen);
      return fresh;
    });
  }

  async inbox(): Promise<readonly InboxMessage[]> {
    const rows = await this.#read<{ message: InboxMessage }>('inbox');
    return rows.map(({ message }) => message);
  }

  handled(keys: readonly MessageKey[]): Promise<void> {
    return this.#remove('inbox', 'key', keys);
  }

  clear(): Promise<void> {
    return this.#write('clear', (transaction) => {
      for (const name of STORES) transaction.objectStore(name).clear();
    });
  }

  async close(): Promise<void> {
    while (this.#committing) await this.#committing;
    const opened = this.#opened;
    this.#opened = null;
    (await opened?.catch(() => null))?.close();
  }

  #remove(store: string, index: string, keys: readonly string[]): Promise<void> {
    return this.#write('remove', (transaction) => {
      const rows = transaction.objectStore(store);
      for (const key of keys) {
        const found = rows.index(index).getKey(key);
        found.onsuccess = () => found.result !== undefined && rows.delete(found.result);
      }
    });
  }

  #write<T>(kind: Write['kind'], requests: Requests<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin: Write['begin'] = (transaction, seenNow) => {
        const result = requests(transaction, seenNow);
        return () => resolve(result);
      };
      this.#waiting.push({ begin, fail: reject, kind });
      this.#committing ??= this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    await Promise.resolve(); // What is written in one go is committed together.
    while (this.#waiting.length > 0) {
      const { kind } = this.#waiting[0]!;
      const others = this.#waiting.findIndex((write) => write.kind !== kind);
      const writes = this.#waiting.splice(0, others < 0 ? this.#waiting.length : others);
      try {
        const done = await this.#retried((database) => commit(database, writes));
        for (const resolve of done) resolve();
      } catch (error) {
        for (const { fail } of writes) fail(error);
      }
    }
    this.#committing = null;
  }

  #read<T>(store: string): Promise<T[]> {
    return this.#retried((database) => answerOf(database.transaction(store).objectStore(store).getAll()));
  }

  /** Does it once more with a new handle: browsers close one in many ways, and name the failure in as many. */
  async #retried<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T> {
    const opened = this.#open();
    try {
      return await work(await opened);
    } catch {
      opened.then(
        (database) => database.close(),
        () => undefined,
      );
      if (this.#opened === opened) this.#opened = null;
      return work(await this.#open());
    }
  }

  #open(): Promise<IDBDatabase> {
    const opened = (this.#opened ??= open(this.name, () => {
      if (this.#opened === opened) this.#opened = null;
    }));
    return opened;
  }
}

const STORES = ['outbox', 'inbox', 'seen'];

async function open(name: string, handleClosed: () => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name);
  request.onupgradeneeded = () => {
    const make = (store: string, keyPath: string, index: string) =>
      request.result
        .createObjectStore(store, { keyPath, autoIncrement: true })
        .createIndex(index, index, { unique: true });
    make('outbox', 'order', 'id');
    make('inbox', 'order', 'key');
    make('seen', 'order', 'key');
  };
  try {
    const database: IDBDatabase = await answerOf(request);
    database.onclose = handleClosed;
    database.onversionchange = () => {
      database.close(); // Another tab has a later version of this library, or removes the database.
      handleClosed();
    };
    return database;
  } catch (error) {
    handleClosed();
    throw error;
  }
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function commit(database: IDBDatabase, writes: readonly Write[]): Promise<(() => void)[]> {
  return new Promise((resolve, reject) => {
    // A receipt or an acknowledgement rests on what is added: that has to survive a crash of the machine.
    const durability = writes[0]!.kind === 'remove' ? 'relaxed' : 'strict';
    const transaction = database.transaction(STORES, 'readwrite', { durability });
    const seenNow = new Set<MessageKey>();
    const done = writes.map(({ begin }) => begin(transaction, seenNow));
    transaction.oncomplete = () => resolve(done);
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
}

/** Removes what was seen first. */
function trim(seen: IDBObjectStore): void {
  const count = seen.count();
  count.onsuccess = () => {
    const tooMany = count.result - MAX_SEEN;
    if (tooMany <= 0) return;
    const oldest = seen.getAllKeys(null, tooMany);
    oldest.onsuccess = () => seen.delete(IDBKeyRange.upperBound(oldest.result.at(-1)));
  };
}
