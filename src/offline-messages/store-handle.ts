import type { StoredKey } from '../delivery/mailbox-store.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import type { StoreOwnership } from './ownership.js';
import type { RecordRows } from './record-rows.js';
import type { UnconfirmedKey } from './store-key.js';

/** The database of a handle. */
export interface HandledDatabase {
  /** Opens the store's connection again on the same database; rejects when it is missing, or another server's now. */
  reopen(): Promise<void>;
  /** Throws an error for the operator when the database is not the one that was opened. Does not wait. */
  check(): void;
  /**
   * Returns how many bytes of messages may be inserted in one commit, Infinity where nothing limits them; rejects with
   * SQLITE_FULL when only deletes may go on.
   */
  roomForInserts(): Promise<number>;
  /**
   * Makes room for a delete, or for a smaller one when one has failed; returns how many bytes it may overwrite, Infinity
   * where nothing limits them. Rejects with SQLITE_FULL when there is no room.
   */
  makeRoomForRemovals(hasFailed: boolean): Promise<number>;
}

/** A database that cannot be lost or filled up. */
export const IN_MEMORY: HandledDatabase = {
  reopen: () => Promise.resolve(),
  check: () => undefined,
  roomForInserts: () => Promise.resolve(Infinity),
  makeRoomForRemovals: () => Promise.resolve(Infinity),
};

/**
 * The connection of the store, and whether it can be trusted. After an error of the disk or the network it is opened
 * again before it is used. Another server may have had the lock, and so the store, meanwhile.
 *
 * | state     | what is known                                                       | left by                   |
 * | --------- | ------------------------------------------------------------------- | ------------------------- |
 * | trusted   | this process wrote all that is in the table                         | the marks, a failed check |
 * | broken    | it is unknown what became of the last statement                     | recover                   |
 * | displaced | somebody else has written: positions and counts in memory are wrong | recover                   |
 * | retaken   | the same, and it was another server, from which this one took it    | recover                   |
 */
export class StoreHandle {
  private state: 'trusted' | 'broken' | 'displaced' | 'retaken' = 'trusted';
  /** Rows whose commit was reported as failed, and which may be in the table nevertheless. */
  private unconfirmed: UnconfirmedKey[] = [];

  constructor(
    readonly table: OfflineMessageTable,
    readonly ownership: StoreOwnership,
    readonly database: HandledDatabase,
    /** Null where nothing is recorded. */
    readonly record: RecordRows | null = null,
  ) {}

  /** The result of a statement is unknown; it may have inserted the unconfirmed rows. */
  markBroken(unconfirmed: readonly UnconfirmedKey[] = []): void {
    if (this.state === 'trusted') this.state = 'broken';
    this.unconfirmed.push(...unconfirmed);
  }

  /** Another row has a position that was given here, or another server has the store. */
  markDisplaced(): void {
    this.state = 'displaced';
  }

  /** Opens the session of a node that has joined. What an earlier session has left belongs to others by now. */
  async enter(claim: () => Promise<void>): Promise<void> {
    await this.database.reopen();
    await claim();
    this.unconfirmed = [];
    this.state = 'trusted';
  }

  /** No statement of an earlier session can run any more, and none of its rows is unaccounted for. */
  get isTrusted(): boolean {
    return this.state === 'trusted';
  }

  /**
   * The table may have rows whose senders are refused. Until `recover` has removed them nobody may read it: what was
   * read would be delivered, or be receipted to a sender who repeats it, and would be removed nevertheless.
   */
  get isInDoubt(): boolean {
    return this.unconfirmed.length > 0;
  }

  /** Checks the database, and returns whether the connection is trusted; after a failed check it is broken. */
  private checkTrust(): boolean {
    try {
      if (this.state === 'trusted') this.database.check();
    } catch {
      this.state = 'broken';
    }
    return this.isTrusted;
  }

  /**
   * Makes the connection trusted again; rejects when that is not possible yet. A commit whose fsync failed is still in
   * the log, and opening the file brings it back; one whose result was lost on the network is in the table. Their
   * senders were refused, so these rows are removed. `renew` corrects what is in memory when somebody else has written,
   * and is told whether it was another server. It is a callback, not an event: when it rejects, the connection stays
   * untrusted.
   */
  async recover(renew: (byServer: boolean) => Promise<void>): Promise<void> {
    if (this.checkTrust()) return;
    await this.database.reopen(); // It rejects with the reason when the database cannot be opened.
    if (await this.ownership.take()) this.state = 'retaken';
    if (this.unconfirmed.length > 0) await this.removeUnconfirmed();
    this.unconfirmed = [];
    if (this.state !== 'broken') await renew(this.state === 'retaken');
    this.state = 'trusted';
  }

  private async removeUnconfirmed(): Promise<void> {
    const recorded = this.unconfirmed.flatMap(({ recordPosition: position, from, to, id }) =>
      position === undefined ? [] : [{ from, to, id, position }],
    );
    if (recorded.length > 0) await this.record?.remove(recorded);
    await this.removeOwned(this.unconfirmed);
  }

  /**
   * Deletes these rows in one commit; returns how many were still there. Rejects with Displaced or Fenced when somebody
   * else has the store: it may have counted the rows by then, and would count them for ever.
   */
  async removeOwned(rows: readonly StoredKey[]): Promise<number> {
    const removed = await this.table.remove(rows);
    if (removed < rows.length) await this.ownership.check();
    return removed;
  }
}
