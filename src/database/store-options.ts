import { createRequire } from 'node:module';
import { isAbsolute, resolve } from 'node:path';
import { inspect } from 'node:util';
import type { DataSourceOptions } from 'typeorm';
import { isDatabaseType } from '../offline-messages/dialect.js';
import { OfflineMessage } from '../offline-messages/offline-message.entity.js';
import { migrations } from './migrations/index.js';
import { StoreError } from './store-file.js';

/** Longest wait at the start for a lock that another process holds on the file, in milliseconds. */
const BUSY_TIMEOUT_MS = 2_000;
/** Longest wait of a statement on Postgres for a lock, in milliseconds, before others have their turn. */
const LOCK_WAIT_MS = 250;
/** How long a statement may take on Postgres, in milliseconds, before the server cancels it. */
const STATEMENT_MS = 2_500;
/** How long an answer of Postgres is waited for, in milliseconds; a network that swallows everything is noticed by this only. */
const ANSWER_MS = 3_000;
/** When a connection has been still for so long, in milliseconds, it is asked whether the other end is there. */
const KEEP_ALIVE_MS = 10_000;

/** Where messages wait, unless told otherwise. */
export const DEFAULT_DATABASE_URL = 'sqlite:data/holdfast.sqlite';

/**
 * Turns an address into the options of a data source with the tables of the store: `sqlite:PATH`, `better-sqlite3:PATH` or
 * `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Throws an Error for any other; it never repeats what may be a password.
 */
export function storeOptions(url: string = DEFAULT_DATABASE_URL): DataSourceOptions {
  const [, type, path] = /^(sqlite|better-sqlite3):(?!\/\/)(.+)$/.exec(url) ?? [];
  if (path) {
    const database = path === ':memory:' || isAbsolute(path) ? path : resolve(path);
    return completed({ type, database } as DataSourceOptions);
  }
  if (/^postgres(ql)?:/.test(url)) return completed({ type: 'postgres', url: checkedUrl(url) });
  throw new Error(
    `DATABASE_URL begins with '${url.split(':')[0]}:'; give sqlite:PATH, such as ${DEFAULT_DATABASE_URL}, or postgres://USER:PASSWORD@HOST:PORT/DATABASE.`,
  );
}

/**
 * Gives a data source what the store needs: its tables and migrations, one connection, limits of time. What an application
 * set for the connection itself stays. Throws a StoreError for a kind of database that the store does not speak to.
 */
export function completed(options: DataSourceOptions): DataSourceOptions {
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
  return {
    ...ofType(options),
    entities: [OfflineMessage],
    migrations,
    migrationsTableName: 'holdfast_migrations',
    migrationsRun: false,
    synchronize: false,
    dropSchema: false,
  };
}

/** Says whether a driver was installed without its binary, as package managers do that ask before a package may build. */
export function isNotBuilt(error: unknown): boolean {
  return String(error).includes('Could not locate the bindings file');
}

export function notBuilt(driver: string): string {
  return `The package ${driver} is installed, but not built; allow it to build in your package manager, and run npm rebuild ${driver}.`;
}

/**
 * The driver sqlite3, but for its `verbose()`, which TypeORM calls: from then on every statement would write out all its
 * parameters, contents included, for the stack of an error that hardly ever comes, and that somebody may log.
 * Undefined when it is not installed, which TypeORM explains.
 */
function sqliteWithoutTraces(): object | undefined {
  try {
    // A bundle of CommonJS has no address of a module, but a name of its file.
    const driver = createRequire(import.meta.url ?? __filename)('sqlite3') as object;
    return { ...driver, verbose: () => driver };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw isNotBuilt(error) ? new StoreError(notBuilt('sqlite3'), { cause: error }) : error;
  }
}

function ofType(options: DataSourceOptions): DataSourceOptions {
  if (options.type === 'sqlite') {
    return { busyTimeout: BUSY_TIMEOUT_MS, driver: sqliteWithoutTraces(), ...options, enableWAL: true };
  }
  if (options.type === 'better-sqlite3') return { timeout: BUSY_TIMEOUT_MS, ...options, enableWAL: true };
  if (options.type !== 'postgres') return options;
  return {
    applicationName: 'holdfast',
    connectTimeoutMS: ANSWER_MS,
    ...options,
    // Statements have an order, and one connection keeps it. It stays open: a lock says whose the database is.
    poolSize: 1,
    extra: {
      lock_timeout: LOCK_WAIT_MS,
      statement_timeout: STATEMENT_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      ...(options.extra as object | undefined),
      max: 1,
      idleTimeoutMillis: 0,
    },
  };
}

function checkedUrl(url: string): string {
  // Not the address itself in what is thrown, nor as its cause: it holds a password, and this goes to the log.
  if (!URL.canParse(url)) throw new Error(`DATABASE_URL is no address of Postgres; ${ADVICE}.`);
  const parsed = new URL(url);
  // A slash in the password makes the rest of it part of the name of the database, which errors repeat.
  if (parsed.pathname.includes('@')) throw new Error(`DATABASE_URL has an '@' behind its host; ${ADVICE}.`);
  if (parsed.pathname.length < 2) throw new Error(`DATABASE_URL names no database; ${ADVICE}.`);
  try {
    for (const part of [parsed.username, parsed.password, parsed.pathname]) decodeURIComponent(part);
  } catch {
    throw new Error(`DATABASE_URL has a '%' that is not written as %25; ${ADVICE}.`);
  }
  return url;
}

const ADVICE =
  'give postgres://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in a name or password as % and its number';
