import { inspect } from 'node:util';
import type { DataSourceOptions } from 'typeorm';
import { isDatabaseType } from '../offline-messages/dialect.js';
import { Notice } from '../offline-messages/notice.entity.js';
import { OfflineMessage } from '../offline-messages/offline-message.entity.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { Erasure } from '../record/erasure.entity.js';
import { Member } from '../record/member.entity.js';
import { RecordRow } from '../record/record.entity.js';
import { RecordUser } from '../record/record-user.entity.js';
import { SeenUser } from '../offline-messages/seen-user.entity.js';
import { StoreState } from '../offline-messages/store-state.entity.js';
import { storeMigrations } from './migrations/index.js';
import { checkBetterSqlite3, installedDriver, sqliteWithoutTraces } from './sqlite-driver.js';
import { StoreError } from './store-file.js';

/** Longest wait at the start for another process's lock on the file, in milliseconds. */
const BUSY_TIMEOUT_MS = 2_000;
/** Longest wait of a statement on Postgres for a lock, in milliseconds, before others have their turn. */
const LOCK_WAIT_MS = 250;
/** How long a statement may take on Postgres, in milliseconds, before the server cancels it. */
const STATEMENT_MS = 2_500;
/** Longest wait for a reply of Postgres, in milliseconds: the only way to notice a network that drops everything. */
const REPLY_MS = 3_000;
/** A connection that was silent for this long, in milliseconds, is checked by TCP keep-alive. */
const KEEP_ALIVE_MS = 10_000;

/** The database when none is given. */
export const DEFAULT_DATABASE_URL = 'sqlite:data/holdfast.sqlite';

/**
 * Turns an address into the options of a data source with the tables of the store: `sqlite:PATH` for the installed
 * driver, `better-sqlite3:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Throws an Error for any other; the
 * message never contains what may be a password.
 */
export function storeOptions(url: string = DEFAULT_DATABASE_URL): DataSourceOptions {
  const flaw = flawOf(url);
  if (flaw !== null) throw new Error(`DATABASE_URL ${flaw}; ${FLAW_REMEDY}.`);
  const [, named, path] = /^(sqlite|better-sqlite3):(?!\/\/)(.+)$/s.exec(url) ?? [];
  if (path) {
    const type = named === 'sqlite' ? installedDriver() : named;
    return checkAndComplete({ type, database: path } as DataSourceOptions);
  }
  if (/^postgres(ql)?:/.test(url)) {
    checkPostgresUrl(url);
    return checkAndComplete({ type: 'postgres', url });
  }
  throw new Error(
    `DATABASE_URL begins with '${url.split(':')[0]}:'; give sqlite:PATH, such as ${DEFAULT_DATABASE_URL}, or postgres://USER:PASSWORD@HOST:PORT/DATABASE.`,
  );
}

/**
 * Adds to the options of a data source what the store needs: its tables and migrations, one connection, timeouts. What
 * an application set for the connection itself stays. Throws a StoreError for a database that is not supported.
 */
export function checkAndComplete(options: DataSourceOptions): DataSourceOptions {
  if (!isDatabaseType(options.type)) {
    throw new StoreError(
      `The store can't be on ${options.type}; give a data source of the type postgres, sqlite or better-sqlite3.`,
    );
  }
  if (options.type !== 'postgres' && !(options.database && typeof options.database === 'string')) {
    throw new StoreError(
      `The file of the store is ${inspect(options.database)}; give database: { type: '${options.type}', database: 'data/chat.sqlite' }.`,
    );
  }
  if (options.type !== 'postgres') checkFileName(options.database as string);
  refuseUnknown(options);
  return {
    ...ofType(options),
    ...storeMigrations,
    entities: [OfflineMessage, StoreState, Notice, SeenUser, RecordRow, RecordUser, Member, Erasure],
    subscribers: [],
    migrationsRun: false,
    synchronize: false,
    dropSchema: false,
  };
}

/** Options that would rename or move tables, which the statements of the store do not know. */
const UNKNOWN: Readonly<Record<string, string>> = {
  entityPrefix: 'its tables begin with holdfast_; on Postgres give them a schema of their own',
  namingStrategy: 'its tables and columns have the names that its migrations give them',
  replication: 'it reads what it has just written; give the primary alone',
};
const UNKNOWN_TO_SQLITE = { ...UNKNOWN, schema: 'SQLite has none; give it a file of its own' };

function refuseUnknown(options: DataSourceOptions): void {
  const unknown = options.type === 'postgres' ? UNKNOWN : UNKNOWN_TO_SQLITE;
  for (const [name, reason] of Object.entries(unknown)) {
    if (!(options as unknown as Record<string, unknown>)[name]) continue;
    throw new StoreError(`The store can't be given ${name}: ${reason}. Leave it out of database.`);
  }
}

function ofType(options: DataSourceOptions): DataSourceOptions {
  if (options.type === 'sqlite') {
    return { busyTimeout: BUSY_TIMEOUT_MS, driver: sqliteWithoutTraces(), ...options, enableWAL: true };
  }
  if (options.type === 'better-sqlite3') {
    if (!options.driver) checkBetterSqlite3();
    return { timeout: BUSY_TIMEOUT_MS, ...options, enableWAL: true };
  }
  if (options.type !== 'postgres') return options;
  return {
    applicationName: 'holdfast',
    connectTimeoutMS: REPLY_MS,
    ...options,
    // Statements have an order, and one connection keeps it. It stays open: a lock says whose the database is.
    poolSize: 1,
    extra: {
      lock_timeout: LOCK_WAIT_MS,
      statement_timeout: STATEMENT_MS,
      query_timeout: REPLY_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      ...(options.extra as object | undefined),
      max: 1,
      idleTimeoutMillis: 0,
    },
  };
}

/**
 * Names that are not plain paths, with the reason: SQLite, a shell or another tool would not read them as a file's
 * name.
 */
const ODD_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^\s|\s$/, 'begins or ends with a blank'],
  // eslint-disable-next-line no-control-regex
  [/[\x00-\x1f\x7f]/, 'has a control character in it'],
  [/^["'`]|["'`]$/, 'begins or ends with a quotation mark'],
  [/^:/, "begins with a ':'; only :memory: does, in small letters"],
  [/^file:/i, 'is an address'],
  [/\?/, "has a '?' in it, but takes no parameters"],
  [/^~|^\$|\$\{/, 'has something in it that only a shell replaces'],
  [/[/\\]$/, 'is the name of a folder'],
];

/** Throws a StoreError when the name of the file is most likely a mistake. */
function checkFileName(name: string): void {
  if (name === ':memory:') return;
  const [, problem] = ODD_NAMES.find(([pattern]) => pattern.test(name)) ?? [];
  if (problem) {
    throw new StoreError(
      `The file of the store is ${inspect(name)}, which ${problem}; give a plain path, such as data/holdfast.sqlite.`,
    );
  }
}

function checkPostgresUrl(url: string): void {
  // Neither the error nor its cause contains the address: it holds a password, and errors go to the log.
  if (!URL.canParse(url)) throw new Error(`DATABASE_URL is not an address of Postgres; ${ADVICE}.`);
  const parsed = new URL(url);
  // After a slash in the password, the rest of it is part of the database's name, which errors contain.
  if (parsed.pathname.includes('@')) throw new Error(`DATABASE_URL has an '@' behind its host; ${ADVICE}.`);
  if (parsed.pathname.length < 2) throw new Error(`DATABASE_URL names no database; ${ADVICE}.`);
  try {
    for (const part of [parsed.username, parsed.password, parsed.pathname]) decodeURIComponent(part);
  } catch {
    throw new Error(`DATABASE_URL has a '%' that is not written as %25; ${ADVICE}.`);
  }
}

const ADVICE =
  'give postgres://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in a name or password as % and its number';
