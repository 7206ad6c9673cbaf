import type { OfflineMessageTable, StoredMessage } from './offline-message.table.js';

/** What a failure says about the next try: wait for the lock, try on the same handle, or trust the handle no more. */
export type Fault = 'locked' | 'refused' | 'broken';

/** Failures after which SQLite says that nothing was changed, and the handle is as good as before. */
const CLEAN = /^SQLITE_(FULL|READONLY|NOMEM|TOOBIG|CONSTRAINT)\b/;
const LOCKED = /^SQLITE_(BUSY|LOCKED)\b/;

/** All but what is known to be clean is taken for broken: an unneeded opening costs milliseconds, a bad handle messages. */
export function faultOf(error: unknown): Fault {
  const message = error instanceof Error ? error.message : String(error);
  if (LOCKED.test(message)) return 'locked';
  return CLEAN.test(message) ? 'refused' : 'broken';
}

/** Opens the store's connection anew, on the same database. */
export type Reopen = () => Promise<void>;

/** The connection of the store, as far as it can be believed. After an I/O error it is opened anew before it is used again. */
export class StoreHandle {
  private broken = false;
  /** Rows whose commit was reported failed, and which may be in the file all the same. */
  private doubtful: Pick<StoredMessage, 'to' | 'position'>[] = [];

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly reopen: Reopen,
  ) {}

  distrust(doubtful: readonly Pick<StoredMessage, 'to' | 'position'>[] = []): void {
    this.broken = true;
    this.doubtful.push(...doubtful);
  }

  /**
   * Makes the connection one that can be trusted; rejects when that can't be done yet. A commit whose fsync failed lies in
   * the log, complete to the eye, and opening the file brings it back: its senders were refused, so it is taken out again.
   */
  async mend(): Promise<void> {
    if (!this.broken) return;
    await this.reopen();
    if (this.doubtful.length > 0) await this.table.remove(this.doubtful);
    this.doubtful = [];
    this.broken = false;
  }
}
