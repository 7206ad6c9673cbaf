import { STORED_MESSAGE_BYTES } from '../options/chat.options.js';
import type { MailboxKey, StoredHeader, StoredKey, StoredMessage } from '../delivery/mailbox-store.js';
import type { Dialect } from './dialect.js';
import type { Statements } from './statements.js';
import { Displaced } from './store-fault.js';

/** What of one sender waits in one mailbox. */
export interface UsageOfSender {
  readonly to: string;
  readonly from: string;
  readonly count: number;
  readonly bytes: number;
}

const TABLE = 'holdfast_offline_message';
const STORE = 'holdfast_store';
/** No message has it: no mailbox has an empty key, and positions begin at 1. Its content needs a page of its own. */
const PROBE_ROW: StoredMessage = {
  mailbox: '' as MailboxKey,
  to: '',
  from: '',
  id: 'probe',
  content: '.'.repeat(4_096),
  position: 0,
  bytes: 0,
  sentAt: 0,
  storedAt: 0,
};
const HEADER = `recipient AS mailbox, recipient AS "to", sender AS "from", id, position, bytes, "sentAt"`;
const MESSAGE = `recipient, sender, id, content, position, bytes, "sentAt", "storedAt"`;

/**
 * The SQL of the store: one statement for many rows of many mailboxes, which the database commits as a whole. The rows
 * travel as one JSON parameter: bound one by one, 1,000 of them would hold up the event loop for 6 to 9 ms, this takes
 * 3 to 4. Messages come back as JSON too: row by row, a driver takes twice as long to hand them over. What databases say
 * differently is in their dialects.
 */
export class OfflineMessageTable {
  private readonly dialect: Dialect;

  /** `owner` is the token of the process that may insert. */
  constructor(
    private readonly statements: Statements,
    private readonly owner: string,
  ) {
    this.dialect = statements.dialect;
  }

  /**
   * Inserts all rows in one commit, but for those whose id the recipient already has from that sender; answers how many went
   * in, which is none when another process is the owner of the store. A position that is taken fails the whole of it.
   */
  async insert(rows: readonly StoredMessage[]): Promise<number> {
    const parameter = rows.map((row) => [
      row.mailbox,
      row.position,
      row.from,
      row.id,
      this.dialect.toColumn(row.content),
      row.bytes,
      row.sentAt,
      row.storedAt,
    ]);
    const { affected } = await this.query(
      `INSERT INTO ${TABLE} (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
       SELECT value->>0, ${whole(1)}, value->>2, value->>3, value->>4, ${whole(5)}, ${whole(6)}, ${whole(7)}
       FROM ${this.dialect.items} WHERE (SELECT owner FROM ${STORE} WHERE id = 1) = ?
       ON CONFLICT (sender, id, recipient) DO NOTHING`,
      [JSON.stringify(parameter), this.owner],
    );
    return affected;
  }

  /** Deletes all these rows in one commit; answers how many were still there. */
  async remove(rows: readonly StoredKey[]): Promise<number> {
    const { affected } = await this.query(
      // By way of the rows' addresses: compared as they stand, all four columns cost two thirds more.
      `DELETE FROM ${TABLE} WHERE ${this.dialect.address} IN (
         SELECT m.${this.dialect.address} FROM ${this.dialect.items} CROSS JOIN ${TABLE} m
         WHERE m.recipient = value->>0 AND m.position = ${whole(1)} AND m.sender = value->>2 AND m.id = value->>3)`,
      [JSON.stringify(rows.map((row) => [row.mailbox, row.position, row.from, row.id]))],
    );
    return affected;
  }

  /** Finds out whether the disk takes messages: commits a row and deletes it again. Nothing here lists or counts it. */
  async tryWrite(): Promise<void> {
    await this.removeProbeRow();
    if ((await this.insert([PROBE_ROW])) === 0) throw new Displaced();
    await this.removeProbeRow();
  }

  /** Deletes the row of a probe that was cut short. */
  async removeProbeRow(): Promise<void> {
    await this.remove([PROBE_ROW]);
  }

  /**
   * The first messages of one mailbox, in order, with a position above `after` and up to `upTo`: no more than `limit`, and
   * none behind those that make up `bytes` of content.
   */
  async page(
    recipient: MailboxKey,
    after: number,
    upTo: number,
    limit: number,
    bytes: number,
  ): Promise<StoredMessage[]> {
    return this.messages(
      `SELECT ${this.dialect.asJson(MESSAGE)} AS messages FROM (
         SELECT * FROM ${TABLE} WHERE recipient = ? AND position > ? AND position <= (
           SELECT MAX(position) FROM (
             SELECT position, SUM(bytes) OVER (ORDER BY position) - bytes AS before FROM (
               SELECT position, bytes FROM ${TABLE}
               WHERE recipient = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?) AS first
           ) AS added WHERE before < ?) ORDER BY position) AS page`,
      [recipient, after, recipient, after, upTo, limit, bytes],
    );
  }

  /** All messages of each of these mailboxes, in order; those with none are left out. It is for short ones. */
  async backlogs(recipients: readonly MailboxKey[]): Promise<Map<MailboxKey, StoredMessage[]>> {
    const messages = await this.messages(
      `SELECT ${this.dialect.asJson(MESSAGE)} AS messages FROM (
         SELECT * FROM ${TABLE} WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) ORDER BY position
       ) AS backlogs`,
      [itemsOf(recipients)],
    );
    const backlogs = new Map<MailboxKey, StoredMessage[]>();
    for (const message of messages) {
      const backlog = backlogs.get(message.mailbox);
      if (backlog) backlog.push(message);
      else backlogs.set(message.mailbox, [message]);
    }
    return backlogs;
  }

  /** The same without the contents: the oldest rows of a mailbox. */
  async oldest(recipient: MailboxKey, limit: number): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE} WHERE recipient = ? ORDER BY position LIMIT ?`,
      [recipient, limit],
    );
    return records;
  }

  /** The rows that were stored before that time, oldest first. */
  async storedBefore(ms: number, limit: number): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE} WHERE "storedAt" < ? ORDER BY "storedAt" LIMIT ?`,
      [ms, limit],
    );
    return records;
  }

  /** The rows that hold these messages, by mailbox, sender and id. */
  async withIds(messages: readonly Pick<StoredKey, 'mailbox' | 'from' | 'id'>[]): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `WITH wanted AS (SELECT value->>0 AS "to", value->>1 AS "from", value->>2 AS id FROM ${this.dialect.items})
       SELECT ${HEADER.replace(', id,', ', m.id,')} FROM wanted w JOIN ${TABLE} m
       ON m.recipient = w."to" AND m.sender = w."from" AND m.id = w.id`,
      [JSON.stringify(messages.map(({ mailbox, from, id }) => [mailbox, from, id]))],
    );
    return records;
  }

  /** How much of each sender waits in each of these mailboxes. */
  async usageBySender(recipients: readonly string[]): Promise<UsageOfSender[]> {
    const { records } = await this.query<UsageOfSender>(
      `SELECT recipient AS "to", sender AS "from", COUNT(*) AS count, SUM(bytes) AS bytes FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient, sender`,
      [itemsOf(recipients)],
    );
    return records;
  }

  /** How many bytes wait of each of these senders: the content, and what a stored message counts besides. */
  async storedBytesOf(senders: readonly string[]): Promise<{ from: string; bytes: number }[]> {
    // A subquery for each, which finds its rows by the index; joined, Postgres reads the whole table for one sender.
    const { records } = await this.query<{ from: string; bytes: number }>(
      `WITH counted AS (SELECT value->>0 AS sender FROM ${this.dialect.items})
       SELECT c.sender AS "from", COALESCE((SELECT SUM(m.bytes + ?) FROM ${TABLE} m
         WHERE m.sender = c.sender), 0) AS bytes FROM counted c`,
      [itemsOf(senders), STORED_MESSAGE_BYTES],
    );
    return records;
  }

  /** How many rows there are, of how many bytes of content, and the highest position among them. */
  async summary(): Promise<{ count: number; bytes: number; lastPosition: number }> {
    const { records } = await this.query<{ count: number; bytes: number; lastPosition: number }>(
      `SELECT COUNT(*) AS count, COALESCE(SUM(bytes), 0) AS bytes, COALESCE(MAX(position), 0) AS "lastPosition" FROM ${TABLE}
       WHERE recipient <> ''`,
      [],
    );
    return records[0]!;
  }

  /** How many messages wait in each of these mailboxes; those with none are left out. */
  async counts(recipients: readonly MailboxKey[]): Promise<Map<MailboxKey, number>> {
    const { records } = await this.query<{ mailbox: MailboxKey; count: number }>(
      `SELECT recipient AS mailbox, COUNT(*) AS count FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient`,
      [itemsOf(recipients)],
    );
    return new Map(records.map(({ mailbox, count }) => [mailbox, count]));
  }

  private async messages(sql: string, parameters: unknown[]): Promise<StoredMessage[]> {
    const { records } = await this.query<{ messages: string }>(sql, parameters);
    const rows = JSON.parse(records[0]!.messages) as [
      MailboxKey,
      string,
      string,
      string,
      number,
      number,
      number,
      number,
    ][];
    return rows.map(([mailbox, from, id, content, position, bytes, sentAt, storedAt]) => ({
      mailbox,
      to: mailbox,
      from,
      id,
      content: this.dialect.fromColumn(content),
      position,
      bytes,
      sentAt,
      storedAt,
    }));
  }

  protected query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[]; affected: number }> {
    return this.statements.query<Row>(sql, parameters);
  }
}

/** Rows of one name each, as a parameter. */
function itemsOf(names: readonly string[]): string {
  return JSON.stringify(names.map((name) => [name]));
}

/** The n-th item of a row's array as an integer. */
function whole(index: number): string {
  return `CAST(value->>${index} AS bigint)`;
}
