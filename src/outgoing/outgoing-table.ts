import type { QueryRunner } from 'typeorm';
import { dialectOf, type Dialect } from '../offline-messages/dialect.js';
import type { OutgoingRow } from './outgoing-message.js';

/** The name of the table, in the database of the application. */
export const OUTGOING_TABLE = 'holdfast_outgoing';

/** A row with its place in the order of insertion. */
export type SequencedRow = Omit<OutgoingRow, 'notBefore'> & { readonly sequence: number };

/** A statement for a transaction that this package does not run. */
export interface OutgoingStatement {
  /** With `$1`, `$2`, … for the parameters, as Postgres and Prisma have it. */
  readonly sql: string;
  readonly parameters: (string | number | null)[];
  /** The SQL between the parameters, for template tags such as Drizzle's `sql`. Joined by `?` it is SQL for Knex. */
  readonly strings: TemplateStringsArray;
}

/** Returns the statement that inserts a row. A second one with the same sender, id and recipient inserts nothing. */
export function insertStatement(row: OutgoingRow, schema?: string): OutgoingStatement {
  const { sql, parameters } = insertion(row, tableIn(schema));
  const strings = sql.split('?');
  return {
    sql: dialectOf('postgres').marked(sql),
    parameters,
    strings: Object.assign(strings, { raw: strings }),
  };
}

/** Who sends to whom. Neither name has a `|` in it. */
export const laneOf = ({ sender, recipient }: Pick<OutgoingRow, 'sender' | 'recipient'>) => `${sender}|${recipient}`;

/**
 * The statements on the table, each on the connection that it is given. A row is scheduled while it has a `notBefore`,
 * and is cancelled only then: whoever takes it removes that first, and commits. So a message that was cancelled in a
 * transaction is not sent before that ends, and one that is being sent is not cancelled.
 */
export class OutgoingTable {
  private readonly dialect: Dialect;
  private readonly name: string;
  /** The values of a JSON array, which is the parameter. */
  private readonly values: string;
  private readonly skipLocked: string;

  /** `type` is that of the data source; `schema` is the one that it was given, if any. */
  constructor(type: string, schema: string | undefined) {
    const isPostgres = type === 'postgres';
    this.dialect = dialectOf(type);
    this.name = tableIn(schema);
    this.values = isPostgres ? 'jsonb_array_elements_text(CAST(? AS jsonb))' : 'json_each(?)';
    this.skipLocked = isPostgres ? 'FOR UPDATE SKIP LOCKED' : '';
  }

  async insert(row: OutgoingRow, runner: QueryRunner): Promise<void> {
    const { sql, parameters } = insertion(row, this.name);
    await this.query(sql, parameters, runner);
  }

  /** Deletes a scheduled row; returns whether it was there. */
  async cancel(sender: string, id: string, recipient: string, runner: QueryRunner): Promise<boolean> {
    const { affected } = await this.query(
      `DELETE FROM ${this.name} WHERE sender = ? AND id = ? AND recipient = ? AND "notBefore" IS NOT NULL`,
      [sender, id, recipient],
      runner,
    );
    return affected > 0;
  }

  /** Counts the rows, up to `max`. */
  async count(max: number, runner: QueryRunner): Promise<number> {
    const { records } = await this.query<{ count: string | number }>(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${this.name} LIMIT ?) AS counted`,
      [max],
      runner,
    );
    return Number(records[0]!.count);
  }

  /** Returns when the earliest of the scheduled rows is due, in milliseconds since 1970; null if there is none. */
  async nextDue(runner: QueryRunner): Promise<number | null> {
    const { records } = await this.query<{ due: string | number | null }>(
      `SELECT min("notBefore") AS due FROM ${this.name} WHERE "notBefore" IS NOT NULL`,
      [],
      runner,
    );
    const due = records[0]!.due;
    return due === null ? null : Number(due);
  }

  /** Makes the rows that are due ready, up to `max`, except those that a transaction is about to cancel. */
  async makeReady(now: number, max: number, runner: QueryRunner): Promise<void> {
    await this.query(
      `UPDATE ${this.name} SET "notBefore" = NULL WHERE sequence IN (
         SELECT sequence FROM ${this.name} WHERE "notBefore" <= ? ORDER BY "notBefore", sequence LIMIT ?
         ${this.skipLocked})`,
      [now, max],
      runner,
    );
  }

  /** Returns the first rows that are ready, in the order of insertion, without those of some lanes. */
  async ready(without: readonly string[], max: number, runner: QueryRunner): Promise<SequencedRow[]> {
    const { records } = await this.query<SequencedRow>(
      `SELECT sequence, sender, recipient, id, content, extras FROM ${this.name}
       WHERE "notBefore" IS NULL AND sender || '|' || recipient NOT IN (SELECT value FROM ${this.values})
       ORDER BY sequence LIMIT ?`,
      [JSON.stringify(without), max],
      runner,
    );
    return records.map((row) => ({ ...row, sequence: Number(row.sequence) }));
  }

  async remove(sequences: readonly number[], runner: QueryRunner): Promise<void> {
    await this.query(
      `DELETE FROM ${this.name} WHERE sequence IN (SELECT CAST(value AS bigint) FROM ${this.values})`,
      [JSON.stringify(sequences)],
      runner,
    );
  }

  /** Deletes the rows from and to a user. */
  async removeOf(user: string, runner: QueryRunner): Promise<void> {
    await this.query(`DELETE FROM ${this.name} WHERE sender = ? OR recipient = ?`, [user, user], runner);
  }

  private async query<Row>(sql: string, parameters: readonly unknown[], runner: QueryRunner) {
    const { records, affected = 0 } = await runner.query(this.dialect.marked(sql), [...parameters], true);
    return { records: records as Row[], affected };
  }
}

/** TypeORM makes the tables of a data source in the schema that it was given, which need not be in the search path. */
function tableIn(schema: string | undefined): string {
  return schema === undefined ? OUTGOING_TABLE : `"${schema.replaceAll('"', '""')}".${OUTGOING_TABLE}`;
}

function insertion({ sender, recipient, id, content, extras, notBefore }: OutgoingRow, table: string) {
  return {
    sql: `INSERT INTO ${table} (sender, recipient, id, content, extras, "notBefore")
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sender, id, recipient) DO NOTHING`,
    parameters: [sender, recipient, id, content, extras, notBefore],
  };
}
