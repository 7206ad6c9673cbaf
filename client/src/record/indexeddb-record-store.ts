import type { RecordStore } from './record-store.js';

const KEPT = 'kept';

/** In an IndexedDB of its own, so that a version of the library without it does not meet it. */
export class IndexedDbRecordStore implements RecordStore {
  #opened: Promise<IDBDatabase> | null = null;

  constructor(private readonly name: string) {}

  async load(): Promise<readonly (readonly [string, unknown])[]> {
    const entries: [string, unknown][] = [];
    await this.#run('readonly', (kept) => {
      const cursor = kept.openCursor();
      cursor.onsuccess = () => {
        if (!cursor.result) return;
        entries.push([cursor.result.key as string, cursor.result.value]);
        cursor.result.continue();
      };
    });
    return entries;
  }

  save(entries: readonly (readonly [string, unknown])[]): Promise<void> {
    return this.#run('readwrite', (kept) => {
      for (const [key, value] of entries) {
        if (value === null) kept.delete(key);
        else kept.put(value, key);
      }
    });
  }

  clear(): Promise<void> {
    return this.#run('readwrite', (kept) => kept.clear());
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    (await opened)?.close();
  }

  /** A handle that the browser has closed is opened again by the next call. */
  async #run(mode: IDBTransactionMode, requests: (kept: IDBObjectStore) => unknown): Promise<void> {
    try {
      const transaction = (await (this.#opened ??= this.#open())).transaction(KEPT, mode, { durability: 'relaxed' });
      requests(transaction.objectStore(KEPT));
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
      });
    } catch (error) {
      this.#opened = null;
      throw error;
    }
  }

  #open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name);
      request.onupgradeneeded = () => request.result.createObjectStore(KEPT);
      request.onerror = () => reject(request.error ?? new Error('the database cannot be opened'));
      request.onsuccess = () => {
        const database = request.result;
        const forget = () => (this.#opened = null);
        database.onclose = forget;
        database.onversionchange = () => {
          database.close(); // Somebody removes it.
          forget();
        };
        resolve(database);
      };
    });
  }
}
