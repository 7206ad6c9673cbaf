import type { MailboxKey, StoredHeader, StoredMessage } from '../delivery/mailbox-store.js';
import { HEADER } from './message-columns.js';
import { filterOf, parametersOf, type SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';

/** A row that a newer one replaces: that of the same mailbox with this position. */
export interface Superseded extends StoredHeader {
  readonly by: number;
}

/** A row whose time is over. */
export interface Overdue extends StoredHeader {
  readonly expiresAt: number;
}

const TABLE = 'holdfast_offline_message';

/** The SQL of what only messages with extras need. */
export class MessageExtrasTable {
  private readonly ofSlots: string;

  constructor(
    private readonly statements: Statements,
    private readonly slots: SlotSet | null,
  ) {
    this.ofSlots = filterOf(slots);
  }

  /** Returns the older rows with the sender, recipient and topic of these. */
  async superseded(rows: readonly StoredMessage[]): Promise<Superseded[]> {
    const newer = rows.filter(({ extras }) => extras?.topic !== undefined);
    const { records } = await this.statements.query<Superseded>(
      `WITH newer AS (SELECT value->>0 AS box, value->>1 AS author, value->>2 AS subject, CAST(value->>3 AS bigint) AS place
         FROM ${this.statements.dialect.items})
       SELECT ${HEADER}, place AS "by" FROM newer JOIN ${TABLE}
       ON recipient = box AND sender = author AND topic = subject AND topic IS NOT NULL AND position < place`,
      [JSON.stringify(newer.map(({ mailbox, from, extras, position }) => [mailbox, from, extras!.topic, position]))],
    );
    return records;
  }

  /** Returns the rows of a mailbox that are evicted first: of the lowest urgency, and then the oldest. 2 is `normal`. */
  async leastUrgent(mailbox: MailboxKey, limit: number): Promise<StoredHeader[]> {
    const { records } = await this.statements.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE} WHERE recipient = ? ORDER BY COALESCE(urgency, 2), position LIMIT ?`,
      [mailbox, limit],
    );
    return records;
  }

  /** Returns the rows whose time was over before `now`, in its order, behind `after`. */
  async overdue(now: number, after: { expiresAt: number; position: number }, limit: number): Promise<Overdue[]> {
    const { records } = await this.statements.query<Overdue>(
      `SELECT ${HEADER}, "expiresAt" FROM ${TABLE}
       WHERE "expiresAt" IS NOT NULL AND "expiresAt" < ? AND ("expiresAt", position) > (?, ?)${this.ofSlots}
       ORDER BY "expiresAt", position LIMIT ?`,
      [now, after.expiresAt, after.position, ...parametersOf(this.slots), limit],
    );
    return records;
  }

  /** Returns when the next row expires whose time is not over at `now`; null when none will. */
  async nextExpiry(now: number): Promise<number | null> {
    const { records } = await this.statements.query<{ expiresAt: number }>(
      `SELECT "expiresAt" FROM ${TABLE} WHERE "expiresAt" IS NOT NULL AND "expiresAt" >= ?${this.ofSlots} ORDER BY "expiresAt" LIMIT 1`,
      [now, ...parametersOf(this.slots)],
    );
    return records[0]?.expiresAt ?? null;
  }
}
