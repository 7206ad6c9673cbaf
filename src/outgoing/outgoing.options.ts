import { inspect } from 'node:util';
import type { DataSourceOptions } from 'typeorm';
import { fileOf, isSqlite } from '../database/sqlite-driver.js';
import { isDatabaseType } from '../offline-messages/dialect.js';
import { ChatOptionsError } from '../options/chat.options.js';

/** Where the application's own transactions are, for `ChatService.sendInTransaction`. */
export interface OutgoingOptions {
  /**
   * The name of the TypeORM data source of the application, as `TypeOrmModule.forRoot` was given it.
   * @default 'default'
   */
  dataSource?: string;
  /**
   * The database of an application without such a data source (Prisma, Drizzle, Knex), as TypeORM options or as an
   * address. Given instead of `dataSource`.
   */
  database?: DataSourceOptions | string;
  /**
   * Has to be given for a data source on SQLite. TypeORM has one connection there, so transactions that overlap become
   * one. With this the application says that its own never do.
   * @default transactions may overlap
   */
  transactions?: 'one-at-a-time';
}

const NAMES = ['dataSource', 'database', 'transactions'];

/** Returns the options with the default data source; throws a ChatOptionsError for what does not fit. */
export function checkOutgoingOptions(given: unknown): OutgoingOptions {
  const example = "give { dataSource: 'default' }, or leave it out";
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ChatOptionsError('outgoing', `is ${inspect(given, { depth: 0 })}`, example);
  }
  const unknown = Object.keys(given).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    throw new ChatOptionsError(`outgoing.${unknown}`, 'is not known', `known are ${NAMES.join(', ')}`);
  }
  const { dataSource, database, transactions }: OutgoingOptions = given;
  if (dataSource !== undefined && database !== undefined) {
    throw new ChatOptionsError('outgoing', 'has a dataSource and a database', 'give one of them');
  }
  if (dataSource !== undefined && typeof dataSource !== 'string') {
    throw new ChatOptionsError('outgoing.dataSource', 'is not a string', 'give the name of the data source');
  }
  if (transactions !== undefined && transactions !== 'one-at-a-time') {
    throw new ChatOptionsError(
      'outgoing.transactions',
      `is ${inspect(transactions)}`,
      "give 'one-at-a-time', or leave it out",
    );
  }
  return database === undefined ? { dataSource: dataSource ?? 'default', transactions } : { database };
}

/** Throws a ChatOptionsError when transactions on this database can't be relied on. */
export function checkDatabase(options: DataSourceOptions, { database, transactions }: OutgoingOptions): void {
  const option = database === undefined ? 'outgoing.dataSource' : 'outgoing.database';
  if (!isDatabaseType(options.type)) {
    throw new ChatOptionsError(option, `is on ${options.type}`, 'give one on postgres, sqlite or better-sqlite3');
  }
  if (!isSqlite(options)) return;
  if (database !== undefined) {
    if (fileOf(options) !== null) return;
    throw new ChatOptionsError(option, 'is in memory', 'give the file in which the application writes');
  }
  if (transactions === 'one-at-a-time') return;
  throw new ChatOptionsError(
    option,
    'is on SQLite, where TypeORM has one connection, and transactions that overlap become one',
    "give transactions: 'one-at-a-time' if yours never overlap, or use Postgres",
  );
}
