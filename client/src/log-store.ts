import { LogFile, type Files } from './log-file.js';
import type { LogRecord, LogState } from './log-state.js';
import { keyOf, type InboxMessage, type MessageKey, type OutboxEntry, type Store } from './store.js';

/** What one commit changes. Each work sees what those before it have changed. */
class Change {
  readonly records: LogRecord[] = [];

  constructor(readonly state: LogState) {}

  record(record: LogRecord): void {
    this.state.apply(record);
    this.records.push(record);
  }
}

interface Work {
  /** Returns the function that resolves its promise. */
  readonly begin: (change: Change) => () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * A store in a log file. What is asked for while a commit is under way goes into the next one, all together, reads as
 * well: nobody is told what a crash could take back.
 */
export class LogStore implements Store {
  readonly persistent = true;
  #waiting: Work[] = [];
  #committing: Promise<void> | null = null;
  #isClosed = false;

  private constructor(
    private readonly file: LogFile,
    /** Null after a failure: then the file says what there is. */
    private state: LogState | null,
  ) {}

  static async open(path: string, files?: Files): Promise<LogStore> {
    const file = await LogFile.open(path, files);
    try {
      return new LogStore(file, await file.read());
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  append(entry: OutboxEntry): Promise<void> {
    return this.#do((change) => {
      if (!change.state.outbox.has(entry.id)) change.record({ append: entry });
    });
  }

  settle(ids: readonly string[]): Promise<void> {
    return this.#do((change) => {
      const settle = ids.filter((id) => change.state.outbox.has(id));
      if (settle.length > 0) change.record({ settle });
    });
  }

  outbox(): Promise<readonly OutboxEntry[]> {
    return this.#do(({ state }) => [...state.outbox.values()]);
  }

  receive(messages: readonly InboxMessage[]): Promise<readonly InboxMessage[]> {
    return this.#do((change) => {
      const fresh = new Map<MessageKey, InboxMessage>();
      for (const message of messages) {
        const key = keyOf(message);
        if (!change.state.seen.has(key) && !fresh.has(key)) fresh.set(key, message);
      }
      const receive = [...fresh.values()];
      if (receive.length > 0) change.record({ receive });
      return receive;
    });
  }

  inbox(): Promise<readonly InboxMessage[]> {
    return this.#do(({ state }) => [...state.inbox.values()]);
  }

  handled(keys: readonly MessageKey[]): Promise<void> {
    return this.#do((change) => {
      const handled = keys.filter((key) => change.state.inbox.has(key));
      if (handled.length > 0) change.record({ handled });
    });
  }

  clear(): Promise<void> {
    return this.#do((change) => change.record({ clear: true }));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#committing;
    await this.file.close();
  }

  #do<T>(work: (change: Change) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('the store is closed'));
    return new Promise((resolve, reject) => {
      const begin: Work['begin'] = (change) => {
        const result = work(change);
        return () => resolve(result);
      };
      this.#waiting.push({ begin, fail: reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    await Promise.resolve(); // What is asked for in one go is committed together.
    while (this.#waiting.length > 0) {
      const works = this.#waiting.splice(0);
      try {
        for (const resolve of await this.#commit(works)) resolve();
      } catch (error) {
        this.state = null;
        for (const { fail } of works) fail(error);
      }
    }
    this.#committing = null;
  }

  async #commit(works: readonly Work[]): Promise<(() => void)[]> {
    this.state ??= await this.file.read();
    const change = new Change(this.state);
    const done = works.map(({ begin }) => begin(change));
    if (change.records.length > 0) await this.file.write(change.records, change.state);
    return done;
  }
}
