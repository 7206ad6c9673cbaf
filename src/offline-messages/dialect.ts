/** The databases that the store supports, by their type in the options of a data source. */
export type DatabaseType = 'sqlite' | 'better-sqlite3' | 'postgres';

/** What differs between databases. */
export interface Dialect {
  /** SQL for a table whose column `value` holds the items of a JSON array, which is the next parameter. */
  readonly items: string;
  /** The column with a row's physical address, the fastest way to find the row again within one statement. */
  readonly address: string;
  /** Replaces the `?` of each parameter by the marks of the driver. */
  marked(sql: string): string;
  /** Converts content to what the database can hold, and back. */
  toColumn(content: string): string;
  fromColumn(content: string): string;
  /**
   * SQL for all rows of an ordered subquery as one JSON array of arrays, in the order of their positions. The extras
   * are one more item: an array, or null where all of them are. Five nulls would make a plain row dearer to read.
   */
  asJson(columns: string, extras: readonly string[]): string;
  /** SQL for the length of the column `content`, in bytes. */
  readonly contentBytes: string;
  /** Begins a transaction that may write. */
  readonly begin: string;
  /** Ends a SELECT that locks its rows in their order; empty where a transaction that may write is alone. */
  readonly forUpdate: string;
  /** Corrects the types of values that the driver returns. */
  fromDriver<Row>(rows: Row[]): Row[];
  /** The driver blocks the event loop during a statement. */
  readonly isOnEventLoop: boolean;
  /** How long to wait before a lock is reported, in milliseconds; 0 where the database has waited already. */
  readonly lockWaitMs: number;
}

function unlessNull(array: string, columns: readonly string[]): string {
  const isNull = columns.map((column) => `${column} IS NULL`).join(' AND ');
  return `CASE WHEN ${isNull} THEN NULL ELSE ${array}(${columns.join(', ')}) END`;
}

const asItIs = <Value>(value: Value) => value;

const SQLITE: Dialect = {
  items: 'json_each(?)',
  address: 'rowid',
  marked: asItIs,
  toColumn: asItIs,
  fromColumn: asItIs,
  asJson: (columns, extras) => `json_group_array(json_array(${columns}, ${unlessNull('json_array', extras)}))`,
  // Before 3.43 there is no octet_length.
  contentBytes: 'length(CAST(content AS BLOB))',
  begin: 'BEGIN IMMEDIATE',
  forUpdate: '',
  fromDriver: asItIs,
  isOnEventLoop: false,
  lockWaitMs: 0,
};

/** A driver on the event loop must not wait for a lock. The statement is tried again later instead. */
const BETTER_SQLITE3: Dialect = { ...SQLITE, isOnEventLoop: true, lockWaitMs: 250 };

/** Postgres returns 64-bit integers and sums as strings. Ours stay far below 2^53. */
const NUMBERS = [
  'position',
  'bytes',
  'sentAt',
  'count',
  'users',
  'lastPosition',
  'sweepAfter',
  'oldest',
  'newest',
  'seenAt',
  'told',
  'by',
  'expiresAt',
  'urgent',
  'place',
  'number',
  'last',
  'lastNumber',
  'keptFrom',
  'erasedAt',
  'unread',
  'delivered',
  'read',
  'peerDelivered',
  'peerRead',
];

const POSTGRES: Dialect = {
  items: 'jsonb_array_elements(CAST(? AS jsonb))',
  address: 'ctid',
  marked(sql) {
    let count = 0;
    return sql.replace(/\?/g, () => `$${(count += 1)}`);
  },
  // A text of Postgres cannot hold U+0000. It is written as U+0001 and `0`, and U+0001 itself as U+0001 and `1`.
  toColumn: (content) => content.replaceAll('\x01', '\x011').replaceAll('\0', '\x010'),
  fromColumn: (content) => content.replaceAll('\x010', '\0').replaceAll('\x011', '\x01'),
  asJson: (columns, extras) =>
    `COALESCE(CAST(json_agg(json_build_array(${columns}, ${unlessNull('json_build_array', extras)}) ORDER BY position) AS text), '[]')`,
  contentBytes: 'octet_length(content)',
  // A process that is stopped within a transaction would hold others up until it is taken over.
  begin: 'BEGIN; SET LOCAL idle_in_transaction_session_timeout = 1000',
  forUpdate: 'FOR UPDATE',
  fromDriver(rows) {
    for (const row of rows as Record<string, unknown>[]) {
      for (const name of NUMBERS) if (typeof row[name] === 'string') row[name] = Number(row[name]);
    }
    return rows;
  },
  isOnEventLoop: false,
  lockWaitMs: 0,
};

const DIALECTS: Readonly<Record<DatabaseType, Dialect>> = {
  sqlite: SQLITE,
  'better-sqlite3': BETTER_SQLITE3,
  postgres: POSTGRES,
};

/** Returns whether the store supports this type of database. */
export function isDatabaseType(type: string): type is DatabaseType {
  return type in DIALECTS;
}

export function dialectOf(type: string): Dialect {
  if (!isDatabaseType(type)) throw new Error(`The store does not support ${type}.`);
  return DIALECTS[type];
}
