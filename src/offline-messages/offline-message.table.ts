import { STORED_MESSAGE_BYTES } from '../options/chat.options.js';
import type { MailboxKey, StoredHeader, StoredKey, StoredMessage } from '../delivery/mailbox-store.js';
import type { Dialect } from './dialect.js';
import type { Fence } from './fence.js';
import { fromColumns, HEADER, toColumns, type ExtrasColumns } from './message-columns.js';
import { MessageExtrasTable } from './message-extras.table.js';
import { filterOf, parametersOf, type SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';
import { Displaced } from './store-fault.js';
import type { MessageKey } from './store-key.js';

/** How much of one sender waits in one mailbox. */
export interface UsageOfSender {
  readonly mailbox: MailboxKey;
  readonly from: string;
  readonly count: number;
  readonly bytes: number;
  /** How many of them have an urgency. */
  readonly urgent: number;
}

/** What waits in the store, in short. */
interface StoreSummary {
  readonly count: number;
  readonly bytes: number;
  readonly lastPosition: number;
}

/** Slots that are counted in one statement. */
const SLOTS_AT_ONCE = 16;

const TABLE = 'holdfast_offline_message';
/**
 * No mailbox has this key, as users' names are not empty, and it sorts before all others. So a list that begins after
 * it contains every mailbox, but not the probe row.
 */
export const NO_MAILBOX = '' as MailboxKey;
/**
 * The row of a write that only finds out whether the disk takes messages. Its content fills a page. It is not a
 * message: only statements over all mailboxes can meet it, and they leave it out by IS_MESSAGE.
 */
const PROBE_ROW: StoredMessage = {
  mailbox: NO_MAILBOX,
  to: NO_MAILBOX,
  from: '',
  id: 'probe',
  content: '.'.repeat(4_096),
  position: 0,
  bytes: 0,
  sentAt: 0,
  storedAt: 0,
};
/**
 * Leaves out the probe row, whose recipient is NO_MAILBOX. It is a literal, as the test of the SQL allows only those.
 */
const IS_MESSAGE = `recipient <> ''`;
const MESSAGE = `recipient, sender, id, content, position, bytes, "sentAt", "storedAt"`;
const EXTRAS = ['meta', '"expiresAt"', 'topic', 'urgency', '"recordPosition"'];
/** Columns of every row, with their values. */
const COLUMNS = 'recipient, position, sender, id, content, bytes, "sentAt", "storedAt"';
const VALUES = `value->>0, ${whole(1)}, value->>2, value->>3, value->>4, ${whole(5)}, ${whole(6)}, ${whole(7)}`;
/** The same with the extras. To write five nulls would make a plain row a tenth dearer. */
const ALL_COLUMNS = `${COLUMNS}, meta, "expiresAt", topic, urgency, "recordPosition"`;
const ALL_VALUES = `${VALUES}, value->>8, ${whole(9)}, value->>10, ${whole(11)}, ${whole(12)}`;

/**
 * The SQL of the store: one statement for many rows of many mailboxes, which the database commits as a whole. The rows
 * are one JSON parameter: 1,000 rows as single parameters would block the event loop for 6 to 9 ms, as JSON for 3 to 4.
 * Messages are read as JSON too: row by row, a driver takes twice as long to return them. The dialects hold what
 * differs between databases.
 */
export class OfflineMessageTable {
  /** The statements of what only messages with extras need. */
  readonly extras: MessageExtrasTable;
  private readonly dialect: Dialect;

  /** Leaves out, on a node, the rows of other nodes. */
  private readonly ofSlots: string;

  /** `slots` are those of a node; one server has all rows. */
  constructor(
    private readonly statements: Statements,
    private readonly fence: Fence,
    private readonly slots: SlotSet | null = null,
  ) {
    this.dialect = statements.dialect;
    this.ofSlots = filterOf(slots);
    this.extras = new MessageExtrasTable(statements, slots);
  }

  /**
   * Inserts the rows in one commit, except those whose id the mailbox already has from that sender. Returns how many
   * were inserted: none when somebody else owns the store. Rejects, and inserts nothing, when a position is taken.
   */
  async insert(rows: readonly StoredMessage[]): Promise<number> {
    // One statement for all of them: a crash between two could leave a newer message without an older one.
    const arePlain = rows.every((row) => row.extras === undefined);
    const { affected } = await this.query(
      `INSERT INTO ${TABLE} (${arePlain ? COLUMNS : ALL_COLUMNS}) SELECT ${arePlain ? VALUES : ALL_VALUES}
       FROM ${this.dialect.items} WHERE ${this.fence.sql}
       ON CONFLICT (sender, id, recipient) DO NOTHING`,
      [JSON.stringify(rows.map((row) => this.toItem(row))), this.fence.value],
    );
    return affected;
  }

  private toItem(row: StoredMessage): unknown[] {
    const { mailbox, position, from, id, content, bytes, sentAt, storedAt, extras } = row;
    const item = [mailbox, position, from, id, this.dialect.toColumn(content), bytes, sentAt, storedAt];
    return extras === undefined ? item : [...item, ...toColumns(extras)];
  }

  /** Deletes these rows in one commit; returns how many: fewer when some were gone, none when another process owns it. */
  async remove(rows: readonly StoredKey[]): Promise<number> {
    const { affected } = await this.query(
      // It finds the rows' addresses first: comparing all four columns directly costs two thirds more.
      `DELETE FROM ${TABLE} WHERE ${this.dialect.address} IN (
         SELECT m.${this.dialect.address} FROM ${this.dialect.items} CROSS JOIN ${TABLE} m
         WHERE m.recipient = value->>0 AND m.position = ${whole(1)} AND m.sender = value->>2 AND m.id = value->>3)
       AND ${this.fence.sql}`,
      [JSON.stringify(rows.map((row) => [row.mailbox, row.position, row.from, row.id])), this.fence.value],
    );
    return affected;
  }

  /** Finds out whether the disk takes messages: commits the probe row and deletes it again. */
  async tryWrite(): Promise<void> {
    await this.removeProbeRow();
    if ((await this.insert([this.probeRow])) === 0) throw new Displaced();
    await this.removeProbeRow();
  }

  /** Deletes the probe row that an interrupted try has left. */
  async removeProbeRow(): Promise<void> {
    await this.remove([this.probeRow]);
  }

  /** Each node has its own: two of them may try at once. */
  private get probeRow(): StoredMessage {
    const { probe } = this.fence;
    return probe === 0 ? PROBE_ROW : { ...PROBE_ROW, position: probe, id: `probe${probe}` };
  }

  /**
   * Returns the first messages of one mailbox, in order, with a position above `after` and up to `upTo`: at most
   * `limit`, and none after the one that brings their content to `bytes`.
   */
  async page(mailbox: MailboxKey, after: number, upTo: number, limit: number, bytes: number): Promise<StoredMessage[]> {
    return this.messages(
      `SELECT ${this.dialect.asJson(MESSAGE, EXTRAS)} AS messages FROM (
         SELECT * FROM ${TABLE} WHERE recipient = ? AND position > ? AND position <= (
           SELECT MAX(position) FROM (
             SELECT position, SUM(bytes) OVER (ORDER BY position) - bytes AS before FROM (
               SELECT position, bytes FROM ${TABLE}
               WHERE recipient = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?) AS first
           ) AS added WHERE before < ?) ORDER BY position) AS page`,
      [mailbox, after, mailbox, after, upTo, limit, bytes],
    );
  }

  /** Returns all messages of each of these mailboxes, in order, without empty ones. Meant for short mailboxes. */
  async backlogs(mailboxes: readonly MailboxKey[]): Promise<Map<MailboxKey, StoredMessage[]>> {
    const messages = await this.messages(
      `SELECT ${this.dialect.asJson(MESSAGE, EXTRAS)} AS messages FROM (
         SELECT * FROM ${TABLE} WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) ORDER BY position
       ) AS backlogs`,
      [itemsOf(mailboxes)],
    );
    const backlogs = new Map<MailboxKey, StoredMessage[]>();
    for (const message of messages) {
      const backlog = backlogs.get(message.mailbox);
      if (backlog) backlog.push(message);
      else backlogs.set(message.mailbox, [message]);
    }
    return backlogs;
  }

  /** Returns the oldest rows of a mailbox, without their content. */
  async oldest(mailbox: MailboxKey, limit: number): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE} WHERE recipient = ? ORDER BY position LIMIT ?`,
      [mailbox, limit],
    );
    return records;
  }

  /** Returns the rows that were stored before that time, oldest first. */
  async storedBefore(ms: number, limit: number): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `SELECT ${HEADER} FROM ${TABLE}
       WHERE ${IS_MESSAGE} AND "storedAt" < ?${this.ofSlots} ORDER BY "storedAt" LIMIT ?`,
      [ms, ...parametersOf(this.slots), limit],
    );
    return records;
  }

  /** Returns the rows that hold these messages. */
  async withIds(messages: readonly MessageKey[]): Promise<StoredHeader[]> {
    const { records } = await this.query<StoredHeader>(
      `WITH wanted AS (SELECT value->>0 AS "to", value->>1 AS "from", value->>2 AS id FROM ${this.dialect.items})
       SELECT ${HEADER.replace(', id,', ', m.id,')} FROM wanted w JOIN ${TABLE} m
       ON m.recipient = w."to" AND m.sender = w."from" AND m.id = w.id`,
      [JSON.stringify(messages.map(({ mailbox, from, id }) => [mailbox, from, id]))],
    );
    return records;
  }

  /** Returns how much of each sender waits in each of these mailboxes. */
  async usageBySender(mailboxes: readonly MailboxKey[]): Promise<UsageOfSender[]> {
    const { records } = await this.query<UsageOfSender>(
      `SELECT recipient AS mailbox, sender AS "from", COUNT(*) AS count, SUM(bytes) AS bytes, COUNT(urgency) AS urgent
       FROM ${TABLE} WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient, sender`,
      [itemsOf(mailboxes)],
    );
    return records;
  }

  /**
   * Returns the room that each sender's waiting messages take, in bytes: their content, and a fixed amount for each.
   */
  async storedBytesOf(senders: readonly string[]): Promise<{ from: string; bytes: number }[]> {
    // A subquery for each sender uses the index. With a join, Postgres reads the whole table for one sender.
    const { records } = await this.query<{ from: string; bytes: number }>(
      `WITH counted AS (SELECT value->>0 AS sender FROM ${this.dialect.items})
       SELECT c.sender AS "from", COALESCE((SELECT SUM(m.bytes + ?) FROM ${TABLE} m
         WHERE m.sender = c.sender${this.ofSlots}), 0) AS bytes FROM counted c`,
      [itemsOf(senders), STORED_MESSAGE_BYTES, ...parametersOf(this.slots)],
    );
    return records;
  }

  /**
   * Returns how many messages there are, their content in bytes, and the highest position among them; on a node, in its
   * own slots or in the given ones.
   */
  async summary(slots: readonly number[] | undefined = this.slots?.list): Promise<StoreSummary> {
    if (slots === undefined) return this.summaryOf([]);
    // The index finds the rows of a few slots. For many, Postgres would hash the name of every row in one statement.
    const total = { count: 0, bytes: 0, lastPosition: 0 };
    for (let at = 0; at < slots.length; at += SLOTS_AT_ONCE) {
      const some = await this.summaryOf([slots.slice(at, at + SLOTS_AT_ONCE)]);
      total.count += some.count;
      total.bytes += some.bytes;
      total.lastPosition = Math.max(total.lastPosition, some.lastPosition);
    }
    return total;
  }

  private async summaryOf(parameters: unknown[]): Promise<StoreSummary> {
    const { records } = await this.query<StoreSummary>(
      `SELECT COUNT(*) AS count, COALESCE(SUM(bytes), 0) AS bytes, COALESCE(MAX(position), 0) AS "lastPosition" FROM ${TABLE}
       WHERE ${IS_MESSAGE}${this.ofSlots}`,
      parameters,
    );
    return records[0]!;
  }

  /** Returns how many messages wait in each of these mailboxes, without empty ones. */
  async counts(mailboxes: readonly MailboxKey[]): Promise<Map<MailboxKey, number>> {
    const { records } = await this.query<{ mailbox: MailboxKey; count: number }>(
      `SELECT recipient AS mailbox, COUNT(*) AS count FROM ${TABLE}
       WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) GROUP BY recipient`,
      [itemsOf(mailboxes)],
    );
    return new Map(records.map(({ mailbox, count }) => [mailbox, count]));
  }

  private async messages(sql: string, parameters: unknown[]): Promise<StoredMessage[]> {
    const { records } = await this.query<{ messages: string }>(sql, parameters);
    const rows = JSON.parse(records[0]!.messages) as MessageColumns[];
    return rows.map(([mailbox, from, id, content, position, bytes, sentAt, storedAt, extras]) => ({
      mailbox,
      to: mailbox,
      from,
      id,
      content: this.dialect.fromColumn(content),
      position,
      bytes,
      sentAt,
      storedAt,
      extras: extras === null ? undefined : fromColumns(extras),
    }));
  }

  protected query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[]; affected: number }> {
    return this.statements.query<Row>(sql, parameters);
  }
}

type MessageColumns = [MailboxKey, string, string, string, number, number, number, number, ExtrasColumns | null];

/** A parameter with one name in each row. */
function itemsOf(names: readonly string[]): string {
  return JSON.stringify(names.map((name) => [name]));
}

/** SQL for the item of a row's array at this index, as an integer. */
function whole(index: number): string {
  return `CAST(value->>${index} AS bigint)`;
}
