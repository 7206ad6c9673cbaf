import { randomUUID } from 'node:crypto';
import type { Fence } from './fence.js';
import type { Statements } from './statements.js';
import { Displaced } from './store-fault.js';

/** Positions that are reserved at once: one more commit for each million messages. All 2^53 of them last for ever. */
const BLOCK = 2 ** 20;

const TABLE = 'holdfast_store';

/** Who may write into the store, and with which positions: one server, or a node of a cluster. */
export interface StoreOwnership {
  readonly fence: Fence;
  /**
   * Checks, whenever the store was opened, that this process may write, or makes it so. Returns whether somebody else
   * was the owner meanwhile: then everything about the store that is in memory is out of date.
   */
  take(): Promise<boolean>;
  /** Reserves positions above this one and above all reserved before; returns the highest that must not be given. */
  raise(atLeast: number): Promise<number>;
  /** Has positions up to this one reserved, or rejects. */
  cover(position: number): Promise<void>;
  /** Rejects with Displaced or Fenced when somebody else is the owner. */
  check(): Promise<void>;
  /** Returns the time before which nothing may expire, in milliseconds since 1970; it is in the past when all may. */
  sweepAfter(): Promise<number>;
  /** Lets nothing expire before that time, in milliseconds since 1970, whoever sweeps. */
  deferSweep(until: number): Promise<void>;
}

/**
 * Who owns the store, and which positions this process may give. The token is a fence: a server that takes the store
 * writes its own token into it, and from then on no statement of an earlier owner stores a message. The lock of the
 * database keeps two servers apart; the fence is for a server that has lost the lock without noticing.
 *
 * Positions are reserved in the table before a message is stored with one. So no position is ever given twice, even
 * when the table was empty at the start, or another server had the store meanwhile.
 */
export class Ownership implements StoreOwnership {
  /** Names this process as the owner. */
  private readonly token = randomUUID();
  readonly fence: Fence = { sql: `(SELECT owner FROM ${TABLE} WHERE id = 1) = ?`, value: this.token, probe: 0 };
  /** The highest reserved position; null until this process has taken the store. */
  private reserved: number | null = null;
  /** Another server was the owner, and nobody has been told so yet. */
  private wasAnothers = false;

  constructor(private readonly statements: Statements) {}

  /**
   * Makes this process the owner; to be called whenever the store was opened. Returns whether another server was the
   * owner since this process was: then everything about the store that is in memory is out of date.
   */
  async take(): Promise<boolean> {
    const found = await this.read();
    const lastPosition = Math.max(this.reserved ?? 0, found?.lastPosition ?? 0);
    if (this.reserved === null || found?.owner !== this.token) {
      // Noted before the write, which may be carried out although its result is lost.
      this.wasAnothers = this.reserved !== null;
      await this.write(lastPosition);
    }
    this.reserved = lastPosition;
    const { wasAnothers } = this;
    this.wasAnothers = false;
    return wasAnothers;
  }

  async raise(atLeast: number): Promise<number> {
    const floor = Math.max(this.reserved ?? 0, atLeast);
    await this.reserve(floor + BLOCK);
    return floor;
  }

  /**
   * Reserves positions up to this one, and more, if they are not reserved yet. Rejects with Displaced when that finds
   * another owner.
   */
  async cover(position: number): Promise<void> {
    if (position > this.reserved!) await this.reserve(position + BLOCK);
  }

  /** Rejects with Displaced when another server is the owner. */
  async check(): Promise<void> {
    if ((await this.read())?.owner !== this.token) throw new Displaced();
  }

  async sweepAfter(): Promise<number> {
    return (await this.read())?.sweepAfter ?? 0;
  }

  async deferSweep(until: number): Promise<void> {
    await this.execute(`UPDATE ${TABLE} SET "sweepAfter" = CAST(? AS bigint) WHERE id = 1 AND owner = ?`, until);
  }

  private async reserve(upTo: number): Promise<void> {
    await this.execute(`UPDATE ${TABLE} SET "lastPosition" = CAST(? AS bigint) WHERE id = 1 AND owner = ?`, upTo);
    this.reserved = upTo;
  }

  private async execute(sql: string, value: number): Promise<void> {
    const { affected } = await this.statements.query(sql, [value, this.token]);
    if (affected === 0) throw new Displaced();
  }

  private async write(lastPosition: number): Promise<void> {
    await this.statements.query(
      `INSERT INTO ${TABLE} (id, owner, "lastPosition", "sweepAfter") VALUES (1, ?, CAST(? AS bigint), 0)
       ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, "lastPosition" = excluded."lastPosition"`,
      [this.token, lastPosition],
    );
  }

  private async read(): Promise<{ owner: string; lastPosition: number; sweepAfter: number } | undefined> {
    const { records } = await this.statements.query<{ owner: string; lastPosition: number; sweepAfter: number }>(
      `SELECT owner, "lastPosition", "sweepAfter" FROM ${TABLE} WHERE id = 1`,
      [],
    );
    return records[0];
  }
}
