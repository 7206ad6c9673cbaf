import type { StoredKey } from '../delivery/mailbox-store.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import type { Ownership } from './ownership.js';

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

/** A database that nobody can take away or fill up. */
export const IN_MEMORY: HandledDatabase = {
  reopen: () => Promise.resolve(),
  check: () => undefined,
  roomForInserts: () => Promise.resolve(Infinity),
  makeRoomForRemovals: () => Promise.resolve(),
};

/**
 * The connection of the store, as far as it can be believed. After an I/O error, or one of the network, it is opened anew
 * before it is used again; the lock may have been somebody else's meanwhile, and then so was the store.
 *
 * | state     | what is known                                                        |
 * | --------- | -------------------------------------------------------------------- |
 * | trusted   | all that is in the table came from here                              |
 * | broken    | nobody knows what became of the last statement                       |
 * | displaced | somebody else has written: what is in memory has no place any more   |
 */
export class StoreHandle {
  private state: 'trusted' | 'broken' | 'displaced' = 'trusted';
  /** Rows whose commit was reported failed, and which may be in the table all the same. */
  private unconfirmed: StoredKey[] = [];

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly ownership: Ownership,
    readonly database: HandledDatabase,
  ) {}

  markBroken(unconfirmed: readonly StoredKey[] = []): void {
    if (this.state === 'trusted') this.state = 'broken';
    this.unconfirmed.push(...unconfirmed);
  }

  /** A row lay where one of ours was to be, or the store is another's. */
  markDisplaced(): void {
    this.state = 'displaced';
  }

  private isGood(): boolean {
    try {
      if (this.state === 'trusted') this.database.check();
    } catch {
      this.state = 'broken';
    }
    return this.state === 'trusted';
  }

  /**
   * Makes the connection one that can be trusted; rejects when that can't be done yet. A commit whose fsync failed lies in
   * the log, complete to the eye, and opening the file brings it back; one whose answer was lost on the way is in the table.
   * Its senders were refused, so it is taken out again. `settle` puts right what is in memory when somebody else has
   * written; it hears whether that was another server.
   */
  async recover(settle: (byServer: boolean) => Promise<void>): Promise<void> {
    if (this.isGood()) return;
    await this.database.reopen(); // Which says what is wrong when it can't be put right.
    if (this.unconfirmed.length > 0) await this.table.remove(this.unconfirmed);
    this.unconfirmed = [];
    const byServer = await this.ownership.take();
    if (byServer) this.state = 'displaced';
    if (this.state === 'displaced') await settle(byServer);
    this.state = 'trusted';
  }
}
