/** The kinds of databases that the store speaks, by their names among the options of a data source. */
export type DatabaseType = 'sqlite' | 'better-sqlite3' | 'postgres';

/** How one family of databases wants to be spoken to. */
export interface Dialect {
  /** A table whose column `value` holds the items of a JSON array, which is the next parameter. */
  readonly items: string;
  /** The address of a row, by which it is found at once in the statement that read it. */
  readonly address: string;
  /** SQL with a `?` for each parameter, with the marks that the driver takes. */
  marked(sql: string): string;
  /** Content as the database can hold it, and back. */
  toColumn(content: string): string;
  fromColumn(content: string): string;
  /** All rows as one JSON array of arrays, in the order of their positions, out of a subquery that has them in it. */
  asJson(columns: string): string;
  /** Puts right what the driver hands over. */
  fromDriver<Row>(rows: Row[]): Row[];
  /** The driver works on the event loop: everybody waits for its statements. */
  readonly isOnEventLoop: boolean;
  /**
   * How long to wait before a lock that was met is reported, in milliseconds; 0 where the database has waited for it.
   */
  readonly lockWaitMs: number;
}

const asItIs = <Value>(value: Value) => value;

const SQLITE: Dialect = {
  items: 'json_each(?)',
  address: 'rowid',
  marked: asItIs,
  toColumn: asItIs,
  fromColumn: asItIs,
  asJson: (columns) => `json_group_array(json_array(${columns}))`,
  fromDriver: asItIs,
  isOnEventLoop: false,
  lockWaitMs: 0,
};

/** On the event loop nobody may wait for a lock: it is met again later instead. */
const BETTER_SQLITE3: Dialect = { ...SQLITE, isOnEventLoop: true, lockWaitMs: 250 };

/** Postgres hands 64-bit integers and sums over as strings; ours stay far below 2^53. */
const NUMBERS = ['position', 'bytes', 'sentAt', 'count', 'users', 'lastPosition', 'sweepAfter', 'oldest', 'newest'];

const POSTGRES: Dialect = {
  items: 'jsonb_array_elements(CAST(? AS jsonb))',
  address: 'ctid',
  marked(sql) {
    let count = 0;
    return sql.replace(/\?/g, () => `$${(count += 1)}`);
  },
  // Its texts hold every character but U+0000. U+0001 stands before a digit that says which of the two was meant.
  toColumn: (content) => content.replaceAll('\x01', '\x011').replaceAll('\0', '\x010'),
  fromColumn: (content) => content.replaceAll('\x010', '\0').replaceAll('\x011', '\x01'),
  asJson: (columns) => `COALESCE(CAST(json_agg(json_build_array(${columns}) ORDER BY position) AS text), '[]')`,
  fromDriver(rows) {
    for (const row of rows as Record<string, unknown>[])
      for (const name of NUMBERS) if (name in row) row[name] = Number(row[name]);
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

/** Says whether the store speaks to such databases. */
export function isDatabaseType(type: string): type is DatabaseType {
  return type in DIALECTS;
}

export function dialectOf(type: string): Dialect {
  if (!isDatabaseType(type)) throw new Error(`The store speaks to no ${type}.`);
  return DIALECTS[type];
}
