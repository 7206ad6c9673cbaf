import { setTimeout as pass } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { Message } from '../protocol/message.js';
import { dialectOf, type Dialect } from './dialect.js';
import { faultOf } from './store-fault.js';

/** A row as it is written and read. */
export interface StoredMessage extends Message {
  readonly position: number;
  /** Length of the content in bytes of UTF-8. */
  readonly bytes: number;
  /** In milliseconds since 1970. */
  readonly storedAt: number;
}

/** What is known of a row without its content. */
export type StoredHeader = Pick<StoredMessage, 'to' | 'from' | 'id' | 'position' | 'bytes' | 'sentAt'>;

export interface PendingOfUser {
  readonly user: string;
  readonly count: number;
  readonly bytes: number;
  /** `sentAt` of the oldest and the newest, in milliseconds since 1970. */
  readonly oldest: number;
  readonly newest: number;
}

const TABLE = 'holdfast_offline_message';
/** No message has it: a user's name is not empty, and positions begin at 1. Its content needs a page of its own. */
const PROBE: StoredMessage = {
  to: '',
  from: '',
  id: 'probe',
  content: '.'.repeat(4_096),
  position: 0,
  bytes: 0,
  sentAt: 0,
  storedAt: 0,
};
const HEADER = `recipient AS "to", sender AS "from", id, position, bytes, "sentAt"`;

/**
 * The SQL of the store: one statement for many rows of many mailboxes, which the database commits as a whole. The rows
 * travel as one JSON parameter: bound one by one, 1,000 of them would hold up the event loop for 6 to 9 ms, this takes
 * 3 to 4. What databases say differently is in their dialects.
 *
 * Each statement that changes rows begins with WITH and ends with RETURNING: it answers the rows that it really
 * changed, and TypeORM's sqlite3 driver hands rows over only for statements that do not begin with INSERT or DELETE.
 */
export class OfflineMessageTable {
  private readonly dialect: Dialect;

  constructor(private readonly dataSource: DataSource) {
    this.dialect = dialectOf(dataSource.options.type);
  }

  /** Inserts all rows in one commit, but for those whose id the recipient already has from that sender; answers the positions that went in. */
  async insert(rows: readonly StoredMessage[]): Promise<Set<number>> {
    const parameter = rows.map((row) => [
      row.to,
      row.position,
      row.from,
      row.id,
      this.dialect.toColumn(row.content),
      row.bytes,
      row.sentAt,
      row.storedAt,
    ]);
    const inserted = await this.query<{ position: number }>(
      `WITH batch AS (SELECT value FROM ${this.dialect.items})
       INSERT INTO ${TABLE} (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
       SELECT value->>0, ${whole(1)}, value->>2, value->>3, value->>4, ${whole(5)}, ${whole(6)}, ${whole(7)} FROM batch WHERE true
       ON CONFLICT DO NOTHING RETURNING position`,
      [JSON.stringify(parameter)],
    );
    return new Set(inserted.map((row) => row.position));
  }

  /** Deletes all these rows in one commit; answers the positions that were still there. */
  async remove(rows: readonly Pick<StoredMessage, 'to' | 'position'>[]): Promise<Set<number>> {
    const removed = await this.query<{ position: number }>(
      `WITH gone AS (SELECT value->>0 AS recipient, ${whole(1)} AS position FROM ${this.dialect.items})
       DELETE FROM ${TABLE} WHERE (recipient, position) IN (SELECT recipient, position FROM gone) RETURNING position`,
      [JSON.stringify(rows.map((row) => [row.to, row.position]))],
    );
    return new Set(removed.map((row) => row.position));
  }

  /** Finds out whether the disk takes messages: commits a row and deletes it again. Nothing here lists or counts it. */
  async probe(): Promise<void> {
    await this.insert([PROBE]);
    await this.remove([PROBE]);
  }

  /** Deletes the row of a probe that was cut short. */
  async removeProbe(): Promise<void> {
    await this.remove([PROBE]);
  }

  /** The first messages of one mailbox, in order, with a position above `after` and up to `upTo`. */
  async page(recipient: string, after: number, upTo: number, limit: number): Promise<StoredMessage[]> {
    const rows = await this.query<StoredMessage>(
      `SELECT ${HEADER}, content, "storedAt" FROM ${TABLE}
       WHERE recipient = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?`,
      [recipient, after, upTo, limit],
    );
    return rows.map((row) => this.fromRow(row));
  }

  /** All messages of each of these mailboxes, in order; those with none are left out. It is for short ones. */
  async backlogs(recipients: readonly string[]): Promise<Map<string, StoredMessage[]>> {
    const rows = await this.query<StoredMessage>(
      `SELECT ${HEADER}, content, "storedAt" FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) ORDER BY position`,
      [itemsOf(recipients)],
    );
    const backlogs = new Map<string, StoredMessage[]>();
    for (const row of rows) {
      const backlog = backlogs.get(row.to);
      if (backlog) backlog.push(this.fromRow(row));
      else backlogs.set(row.to, [this.fromRow(row)]);
    }
    return backlogs;
  }

  /** The same without the contents: the oldest rows of a mailbox. */
  async oldest(recipient: string, limit: number): Promise<StoredHeader[]> {
    return this.query(`SELECT ${HEADER} FROM ${TABLE} WHERE recipient = ? ORDER BY position LIMIT ?`, [
      recipient,
      limit,
    ]);
  }

  /** The rows that were stored before that time, oldest first. */
  async storedBefore(ms: number, limit: number): Promise<StoredHeader[]> {
    return this.query(`SELECT ${HEADER} FROM ${TABLE} WHERE "storedAt" < ? ORDER BY "storedAt" LIMIT ?`, [ms, limit]);
  }

  /** The rows that hold these messages, by recipient, sender and id. */
  async withIds(messages: readonly Pick<Message, 'to' | 'from' | 'id'>[]): Promise<StoredHeader[]> {
    return this.query(
      `WITH wanted AS (SELECT value->>0 AS "to", value->>1 AS "from", value->>2 AS id FROM ${this.dialect.items})
       SELECT ${HEADER.replace(', id,', ', m.id,')} FROM wanted w JOIN ${TABLE} m
       ON m.recipient = w."to" AND m.sender = w."from" AND m.id = w.id`,
      [JSON.stringify(messages.map(({ to, from, id }) => [to, from, id]))],
    );
  }

  /** How much of each sender waits in each of these mailboxes. */
  async tally(recipients: readonly string[]): Promise<{ to: string; from: string; count: number; bytes: number }[]> {
    return this.query(
      `SELECT recipient AS "to", sender AS "from", COUNT(*) AS count, SUM(bytes) AS bytes FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient, sender`,
      [itemsOf(recipients)],
    );
  }

  /** The mailboxes with something in them, most first, below the given place in that order. */
  async mailboxes(limit: number, below?: { count: number; user: string }): Promise<PendingOfUser[]> {
    const { recipientInOrder } = this.dialect;
    return this.query(
      `SELECT recipient AS "user", COUNT(*) AS count, SUM(bytes) AS bytes, MIN("sentAt") AS oldest, MAX("sentAt") AS newest
       FROM ${TABLE} WHERE recipient <> '' GROUP BY recipient ${below ? `HAVING COUNT(*) < ? OR (COUNT(*) = ? AND ${recipientInOrder} > ?)` : ''}
       ORDER BY COUNT(*) DESC, ${recipientInOrder} LIMIT ?`,
      below ? [below.count, below.count, below.user, limit] : [limit],
    );
  }

  /** How many rows there are, of how many users, and the highest position among them. */
  async summary(): Promise<{ count: number; users: number; lastPosition: number }> {
    const [summary] = await this.query<{ count: number; users: number; lastPosition: number }>(
      `SELECT COUNT(*) AS count, COUNT(DISTINCT recipient) AS users, COALESCE(MAX(position), 0) AS "lastPosition" FROM ${TABLE}
       WHERE recipient <> ''`,
      [],
    );
    return summary!;
  }

  /** How many messages wait in each of these mailboxes; those with none are left out. */
  async counts(recipients: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.query<{ to: string; count: number }>(
      `SELECT recipient AS "to", COUNT(*) AS count FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient`,
      [itemsOf(recipients)],
    );
    return new Map(rows.map(({ to, count }) => [to, count]));
  }

  private fromRow(row: StoredMessage): StoredMessage {
    return { ...row, content: this.dialect.fromColumn(row.content) };
  }

  private async query<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    try {
      return this.dialect.rows(await this.dataSource.query(this.dialect.marked(sql), parameters)) as Row[];
    } catch (error) {
      if (this.dialect.lockWaitMs > 0 && faultOf(error) === 'locked') await pass(this.dialect.lockWaitMs);
      throw error;
    }
  }
}

/** Rows of one recipient each, as a parameter. */
function itemsOf(recipients: readonly string[]): string {
  return JSON.stringify(recipients.map((recipient) => [recipient]));
}

/** The n-th item of a row's array as an integer. */
function whole(index: number): string {
  return `CAST(value->>${index} AS bigint)`;
}
