import { changed, type Line, type LineChange } from './line.js';

const VERSION = 1;
/** How long other tabs have to close what is to be removed, in milliseconds. One that hangs never does. */
const CLOSED_WITHIN_MS = 2_000;

/** What is kept of a conversation besides its lines. */
export interface KeptConversation {
  readonly name: string;
  readonly draft: string;
  /** The key of the last line that was read; null if none was. */
  readonly readKey: string | null;
}

export interface KeptLog {
  readonly lines: readonly Line[];
  readonly conversations: readonly KeptConversation[];
}

/**
 * What was said, kept over a reload in an IndexedDB of the page's own, one for each user. All tabs write the same events
 * here, and each is kept once. Where storage fails nothing is kept, and `onFailed` is called, once.
 */
export class PageLog {
  private constructor(
    private db: IDBDatabase | null,
    private readonly name: string,
    private readonly onFailed: (error: unknown) => void,
  ) {}

  static async open(user: string, onFailed: (error: unknown) => void): Promise<PageLog> {
    const name = `page-log:${new URL('.', location.href).pathname}:${user}`;
    const log = new PageLog(null, name, onFailed);
    try {
      log.db = await opened(name);
      log.db.onversionchange = () => log.end(); // Another tab removes it, or has a newer version of this page.
      log.db.onclose = () => log.fail(new Error('the browser has closed the database'));
    } catch (error) {
      log.fail(error);
    }
    return log;
  }

  async load(): Promise<KeptLog> {
    let lines: readonly Line[] = [];
    let conversations: readonly KeptConversation[] = [];
    await this.run('readonly', (transaction) => {
      const all = transaction.objectStore('lines').getAll();
      all.onsuccess = () => (lines = all.result as Line[]);
      const names = transaction.objectStore('conversations').getAll();
      names.onsuccess = () => (conversations = names.result as KeptConversation[]);
    });
    return { lines, conversations };
  }

  /** Keeps a line, unless it is kept already. */
  async add(line: Line): Promise<void> {
    await this.run('readwrite', (transaction) => {
      const lines = transaction.objectStore('lines');
      const kept = lines.index('key').getKey(line.key);
      kept.onsuccess = () => kept.result === undefined && lines.add(line);
    });
  }

  async change(key: string, change: LineChange): Promise<void> {
    await this.run('readwrite', (transaction) => {
      const cursor = transaction.objectStore('lines').index('key').openCursor(key);
      cursor.onsuccess = () => cursor.result?.update(changed(cursor.result.value as Line, change));
    });
  }

  async remove(keys: readonly string[]): Promise<void> {
    await this.run('readwrite', (transaction) => {
      for (const key of keys) {
        const cursor = transaction.objectStore('lines').index('key').openCursor(key);
        cursor.onsuccess = () => cursor.result?.delete();
      }
    });
  }

  async keep(conversation: KeptConversation): Promise<void> {
    await this.run('readwrite', (transaction) => transaction.objectStore('conversations').put(conversation));
  }

  async forget(name: string): Promise<void> {
    await this.run('readwrite', (transaction) => transaction.objectStore('conversations').delete(name));
  }

  /** Removes all that is kept, and ends. Rejects when something may be left. */
  async clear(): Promise<void> {
    this.end();
    try {
      await removed(this.name);
    } catch (error) {
      this.onFailed(error);
      throw error;
    }
  }

  end(): void {
    this.db?.close();
    this.db = null;
  }

  private fail(error: unknown): void {
    this.end();
    this.onFailed(error);
  }

  /** Resolves when the transaction is over. What has failed is reported, and the page goes on without keeping. */
  private async run(mode: IDBTransactionMode, act: (transaction: IDBTransaction) => unknown): Promise<void> {
    if (this.db === null) return;
    try {
      // Relaxed: it survives the browser. What a failing machine loses here is not lost on the server.
      const transaction = this.db.transaction(['lines', 'conversations'], mode, { durability: 'relaxed' });
      act(transaction);
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
      });
    } catch (error) {
      if (this.db !== null) this.fail(error);
    }
  }
}

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      const lines = request.result.createObjectStore('lines', { autoIncrement: true });
      lines.createIndex('key', 'key', { unique: true });
      request.result.createObjectStore('conversations', { keyPath: 'name' });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database cannot be opened'));
  });
}

function removed(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error ?? new Error('the database cannot be removed'));
    request.onblocked = () =>
      setTimeout(reject, CLOSED_WITHIN_MS, new Error('another tab does not close the database'));
  });
}
