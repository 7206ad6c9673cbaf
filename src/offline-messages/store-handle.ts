import type { OfflineMessageTable, StoredMessage } from './offline-message.table.js';

/** What a handle needs of its database. */
export interface HandledDatabase {
  /** Opens the store's connection anew, on the same database; rejects when that is not there, or somebody else's now. */
  reopen(): Promise<void>;
  /** Looks whether the database is still the one that was opened, and throws what the operator has to know when it is not. Waits for nothing. */
  check(): void;
  /** How many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when only deletions may go on. */
  roomForInserts(): Promise<number>;
  /** Sees to room for a deletion, or for a smaller one when one has failed; rejects with SQLITE_FULL when there is none. */
  makeRoomForRemovals(hasFailed: boolean): Promise<void>;
}

/** The connection of the store, as far as it can be believed. After an I/O error, or one of the network, it is opened anew before it is used again. */
export class StoreHandle {
  private broken = false;
  /** Rows whose commit was reported failed, and which may be in the table all the same. */
  private doubtful: Pick<StoredMessage, 'to' | 'position'>[] = [];

  constructor(
    private readonly table: OfflineMessageTable,
    readonly database: HandledDatabase,
  ) {}

  distrust(doubtful: readonly Pick<StoredMessage, 'to' | 'position'>[] = []): void {
    this.broken = true;
    this.doubtful.push(...doubtful);
  }

  /**
   * Makes the connection one that can be trusted; rejects when that can't be done yet. A commit whose fsync failed lies in
   * the log, complete to the eye, and opening the file brings it back; one whose answer was lost on the way is in the table.
   * Its senders were refused, so it is taken out again.
   */
  async mend(): Promise<void> {
    if (!this.broken) return this.database.check();
    await this.database.reopen();
    if (this.doubtful.length > 0) await this.table.remove(this.doubtful);
    this.doubtful = [];
    this.broken = false;
  }
}
