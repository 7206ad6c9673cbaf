import { Logger } from '@nestjs/common';
import type { LastSeenStore } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import { filterOf, parametersOf, type SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';
import { faultOf } from './store-fault.js';
import type { HandledDatabase } from './store-handle.js';

/** Longest time that a user who has left is only in memory, in milliseconds: what a kill may lose. */
const SAVE_MS = 60_000;
/** Users of one statement. When this many have left, they are written at once. */
const SAVED_AT_ONCE = 1_000;
/** Users in memory while the store cannot be written; those who left first are forgotten. */
const MAX_UNSAVED = 100_000;
/** The room that a row takes with its place in the index, in bytes. */
const ROW_BYTES = 256;
const EXPIRED_AT_ONCE = 1_000;

const TABLE = 'holdfast_last_seen';

/**
 * When users who have left were last seen. They are written together, in one statement a minute, so that connections
 * that come and go cost the disk next to nothing. It does not promise the last minute: a kill loses that.
 */
export class LastSeen implements LastSeenStore {
  private readonly logger = new Logger('LastSeen');
  /** Those who left last are at the end. */
  private readonly unsaved = new Map<string, number>();
  private saving: Promise<void> | null = null;
  private cancelSave: (() => void) | null = null;
  private isClosed = false;
  /** Leaves out, on a node, the users of other nodes. */
  private readonly ofSlots: string;

  /** `between` runs something on the store's connection, between two commits. */
  constructor(
    private readonly statements: Statements,
    private readonly between: <Result>(run: () => Promise<Result>) => Promise<Result>,
    private readonly database: Pick<HandledDatabase, 'roomForInserts' | 'makeRoomForRemovals'>,
    private readonly clock: Clock,
    private readonly slots: SlotSet | null = null,
  ) {
    this.ofSlots = filterOf(slots, 'name');
  }

  note(user: string, seenAt: number): void {
    if (this.isClosed) return;
    const latest = Math.max(seenAt, this.unsaved.get(user) ?? 0);
    this.unsaved.delete(user);
    this.unsaved.set(user, latest);
    if (this.unsaved.size > MAX_UNSAVED) this.unsaved.delete(this.unsaved.keys().next().value!);
    if (this.unsaved.size === SAVED_AT_ONCE) void this.save();
    else this.cancelSave ??= this.clock.after(SAVE_MS, () => void this.save());
  }

  async of(user: string): Promise<number | null> {
    const { records } = await this.between(() =>
      this.statements.query<{ seenAt: number }>(`SELECT "seenAt" FROM ${TABLE} WHERE name = ?`, [user]),
    );
    const saved = records[0]?.seenAt ?? null;
    const unsaved = this.unsaved.get(user);
    return unsaved === undefined ? saved : Math.max(unsaved, saved ?? 0);
  }

  /** Forgets a user, as far as this process knows and the table has it. Rejects with STORE_UNAVAILABLE. */
  async forget(user: string): Promise<void> {
    this.unsaved.delete(user);
    await this.between(() => this.statements.query(`DELETE FROM ${TABLE} WHERE name = ?`, [user]));
  }

  /** Forgets users who were last seen before that time, in milliseconds since 1970. */
  async expire(before: number): Promise<void> {
    const some = async () => {
      await this.database.makeRoomForRemovals(false);
      const { affected } = await this.statements.query(
        `DELETE FROM ${TABLE} WHERE name IN (SELECT name FROM ${TABLE} WHERE "seenAt" < ?${this.ofSlots} ORDER BY "seenAt" LIMIT ?)`,
        [before, ...parametersOf(this.slots), EXPIRED_AT_ONCE],
      );
      return affected;
    };
    while ((await this.change(some)) === EXPIRED_AT_ONCE);
  }

  /**
   * Writes those who are in memory only, in one statement, unless the store fails by then. To be called right before
   * the queue is closed, whose last round runs it: a failing queue pauses, and the stop must not wait for that.
   */
  async close(isHealthy: () => boolean): Promise<void> {
    this.isClosed = true;
    this.cancelSave?.();
    if (this.unsaved.size === 0 && this.saving === null) return;
    const saved = this.change(async () => (isHealthy() ? this.saveSome(MAX_UNSAVED) : 0));
    await saved.catch((error: unknown) => this.logFailure(error));
    await this.saving;
  }

  /** Writes those who have left; they stay in memory when that fails, until the next minute. */
  private save(): Promise<void> {
    this.cancelSave?.();
    this.cancelSave = null;
    this.saving ??= this.saveAll().finally(() => {
      this.saving = null;
      if (this.unsaved.size > 0 && !this.isClosed)
        this.cancelSave ??= this.clock.after(SAVE_MS, () => void this.save());
    });
    return this.saving;
  }

  private async saveAll(): Promise<void> {
    try {
      let written: number;
      do written = await this.change(() => this.saveSome(SAVED_AT_ONCE));
      while (written === SAVED_AT_ONCE && !this.isClosed);
    } catch (error) {
      this.logFailure(error);
    }
  }

  /** Writes at most so many; returns how many. */
  private async saveSome(atMost: number): Promise<number> {
    const most = Math.min(atMost, (await this.database.roomForInserts()) / ROW_BYTES);
    const rows: [string, number][] = [];
    for (const row of this.unsaved) if (rows.push(row) >= most) break;
    if (rows.length === 0) return 0;
    await this.statements.query(
      // With several connections, the one that was seen last may have left first.
      `INSERT INTO ${TABLE} (name, "seenAt")
       SELECT value->>0, CAST(value->>1 AS bigint) FROM ${this.statements.dialect.items} WHERE true
       ON CONFLICT (name) DO UPDATE SET "seenAt" = excluded."seenAt" WHERE excluded."seenAt" > ${TABLE}."seenAt"`,
      [JSON.stringify(rows)],
    );
    for (const [user, seenAt] of rows) if (this.unsaved.get(user) === seenAt) this.unsaved.delete(user);
    return rows.length;
  }

  /**
   * Returns how many rows a statement has changed. A failure that leaves the connection as it was, such as a lock or a
   * full disk, must not count as one of the store: no message depends on it, and the next minute tries again.
   */
  private change(run: () => Promise<number>): Promise<number> {
    return this.between(async () => {
      try {
        return await run();
      } catch (cause) {
        const fault = faultOf(cause);
        if (fault === 'broken' || fault === 'displaced') throw cause;
        this.logFailure(cause);
        return 0;
      }
    });
  }

  private logFailure(error: unknown): void {
    const next = this.isClosed ? 'the server stops' : 'the next try is in a minute';
    this.logger.warn(`When users were last seen can't be written; ${next}: ${String(error)}`);
  }
}
