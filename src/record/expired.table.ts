import type { StoreAccess } from '../offline-messages/store-access.js';

/** Rows that are deleted in one statement, and their content in bytes: 500 held receipts up for 100 ms on SQLite. */
const ROWS = 50;
const BYTES = 1024 * 1024;

const RECORD = 'holdfast_record';
const MEMBERS = 'holdfast_member';
const USERS = 'holdfast_record_user';

/** A row of the record that is to go. */
interface ExpiredRow {
  readonly conversation: string;
  readonly position: number;
  readonly sender: string;
  readonly recipient: string;
  readonly senderNumber: number;
  readonly recipientNumber: number;
  readonly bytes: number;
}

const ROW = `conversation, position, sender, recipient, "senderNumber", "recipientNumber"`;

/** The SQL that deletes from the record what was there for long enough. */
export class ExpiredTable {
  constructor(private readonly access: StoreAccess) {}

  /** Deletes the oldest rows below a position, some at once; returns how many, and whether there may be more. */
  async removeBefore(position: number): Promise<{ removed: number; hasMore: boolean }> {
    const rows = await this.query<ExpiredRow>(
      `SELECT ${ROW}, ${this.bytes} AS bytes FROM ${RECORD} WHERE position < ? ORDER BY position LIMIT ${ROWS}`,
      [position],
    );
    return this.remove(rows, position);
  }

  /** Deletes the oldest rows of a conversation that has more than `most`; the same. */
  async removeAbove(conversation: string, most: number): Promise<{ removed: number; hasMore: boolean }> {
    const rows = await this.query<ExpiredRow>(
      `SELECT ${ROW}, ${this.bytes} AS bytes FROM ${RECORD} WHERE conversation = ? AND position <= (
         SELECT position FROM ${RECORD} WHERE conversation = ? ORDER BY position DESC LIMIT 1 OFFSET ?)
       ORDER BY position LIMIT ${ROWS}`,
      [conversation, conversation, most],
    );
    return this.remove(rows, 0);
  }

  private async remove(found: readonly ExpiredRow[], position: number): Promise<{ removed: number; hasMore: boolean }> {
    let bytes = 0;
    const rows = found.filter((row, index) => index === 0 || (bytes += row.bytes) <= BYTES);
    const hasMore = rows.length < found.length || found.length === ROWS;
    if (rows.length === 0) return { removed: 0, hasMore: false };
    // First: whoever syncs meanwhile has to hear that something is gone.
    await this.raise(rows);
    const { statements, fence } = this.access;
    const { address, items } = statements.dialect;
    const places = JSON.stringify(rows.map((row) => [row.conversation, row.position]));
    const { affected } = await statements.query(
      `DELETE FROM ${RECORD} WHERE ${address} IN (SELECT r.${address} FROM ${items} CROSS JOIN ${RECORD} r
         WHERE r.conversation = value->>0 AND r.position = CAST(value->>1 AS bigint)) AND ${fence.sql}`,
      [places, fence.value],
    );
    await statements.query(
      `DELETE FROM ${MEMBERS} WHERE conversation IN (SELECT value->>0 FROM ${items}) AND newest < ? AND ${fence.sql}
         AND NOT EXISTS (SELECT 1 FROM ${RECORD} r WHERE r.conversation = ${MEMBERS}.conversation)`,
      [places, position, fence.value],
    );
    return { removed: affected, hasMore };
  }

  /** Cursors up to these rows are not complete any more. */
  private async raise(rows: readonly ExpiredRow[]): Promise<void> {
    const numbers = new Map<string, number>();
    const raise = (user: string, number: number) => numbers.set(user, Math.max(number, numbers.get(user) ?? 0));
    for (const { sender, senderNumber, recipient, recipientNumber } of rows) {
      raise(sender, senderNumber);
      raise(recipient, recipientNumber);
    }
    const { statements, fence } = this.access;
    const { items, forUpdate } = statements.dialect;
    const asked = [...numbers].sort(([one], [other]) => (one < other ? -1 : 1)).map((item, index) => [...item, index]);
    // Whoever draws numbers locks these rows too. An UPDATE alone would lock them in the order in which it finds them.
    await statements.query(
      `WITH asked AS (SELECT value->>0 AS member, CAST(value->>1 AS bigint) AS number, CAST(value->>2 AS bigint) AS place
         FROM ${items}),
       gone AS (SELECT member, number FROM asked JOIN ${USERS} ON name = member ORDER BY place ${forUpdate})
       UPDATE ${USERS} SET "keptFrom" = gone.number FROM gone
       WHERE name = gone.member AND gone.number > "keptFrom" AND ${fence.sql}`,
      [JSON.stringify(asked), fence.value],
    );
  }

  private get bytes(): string {
    return this.access.statements.dialect.contentBytes;
  }

  private async query<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await this.access.statements.query<Row>(sql, parameters)).records;
  }
}
