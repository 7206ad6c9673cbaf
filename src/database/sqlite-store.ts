import { Logger } from '@nestjs/common';
import { dirname } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { logLimitIn, makeRoomToOpen } from './disk-room.js';
import { OpenFile } from './open-file.js';
import { fileOf, isNotBuilt, notBuilt, type SqliteOptions } from './sqlite-driver.js';
import { inspectFile, realPathOf, sizeOf, StoreError } from './store-file.js';
import { StoreLock } from './store-lock.js';
import { refuseNewer } from './store-version.js';

/** `SQLITE_OPEN_READONLY`: an inspection does not change a byte. */
const READ_ONLY = { sqlite: { flags: 1 }, 'better-sqlite3': { readonly: true } };
/**
 * How long a commit waits for another process's lock, in milliseconds, before other work goes on. better-sqlite3 would
 * block the event loop, so there the store waits by itself.
 */
const LOCK_WAIT_MS = { sqlite: 250, 'better-sqlite3': 0 };
/**
 * The bytes of a page in the log, with its header of 24 bytes and a little more, so that a checkpoint begins just below
 * the limit.
 */
const LOGGED_PAGE_BYTES = 4_194;
/** The settings with which a commit is on the disk before SQLite returns. */
const DURABLE = { synchronous: 2 /* FULL */, secure_delete: 1, journal_mode: 'wal' } as const;

const logger = new Logger('Store');

/**
 * Opens the file with `connect`; rejects with a StoreError, and leaves the file as it is, when it must not be opened.
 */
export async function openSqlite(
  options: SqliteOptions,
  connect: (options: SqliteOptions) => Promise<DataSource>,
): Promise<DataSource> {
  const given = fileOf(options);
  try {
    return given === null ? await connect(options) : await openFile(options, given, connect);
  } catch (cause) {
    throw cause instanceof StoreError ? cause : new StoreError(explained(options.database, cause), { cause });
  }
}

async function openFile(
  options: SqliteOptions,
  given: string,
  connect: (options: SqliteOptions) => Promise<DataSource>,
): Promise<DataSource> {
  const path = realPathOf(given);
  const found = inspectFile(path);
  const wasLocked = sizeOf(`${path}.lock`) !== null;
  const lock = await StoreLock.take(options, path);
  try {
    makeRoomToOpen(path);
    // A journal is left by a first start that was killed. Only a connection that writes can finish it.
    if (found === 'database' && sizeOf(`${path}-journal`) === null) await checkDatabase(options, path);
    const dataSource = await connect({ ...options, database: path });
    await OpenFile.keep(dataSource, lock, given, path);
    if (found === 'empty') logger.warn(`${given} was an empty file; it is a new store now.`);
    else if (found === 'nothing' && wasLocked) {
      logger.warn(
        `There is a new store at ${given} now, where there was one before: ${path}.lock is left of it. If it was not deleted on purpose, stop the server and put it back.`,
      );
    }
    return dataSource;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Sets the connection up so that a commit is on the disk before SQLite returns; rejects when that is not possible. */
export async function makeDurable(dataSource: DataSource, options: SqliteOptions): Promise<void> {
  await dataSource.query('PRAGMA synchronous = FULL');
  // Deleted messages are overwritten in the file.
  await dataSource.query('PRAGMA secure_delete = ON');
  if (fileOf(options) === null) return;
  // SQLite cuts the log to this length when it restarts the log. While a reader in another process stays in one
  // transaction the log grows without bound, and without this limit it would keep that length.
  const logBytes = logLimitIn(dirname(options.database));
  await dataSource.query(`PRAGMA journal_size_limit = ${logBytes}`);
  // Messages for many users touch many pages: with SQLite's default of 1,000 there was a checkpoint after every third
  // commit, which cost up to a quarter of the CPU time of storing a row.
  const logPages = Math.floor(logBytes / LOGGED_PAGE_BYTES);
  await dataSource.query(`PRAGMA wal_autocheckpoint = ${logPages}`);
  for (const [name, wanted] of Object.entries(DURABLE)) {
    const [row] = (await dataSource.query(`PRAGMA ${name}`)) as Record<string, unknown>[];
    if (row?.[name] === wanted) continue;
    throw new Error(`The database can't promise durable commits: ${name} is ${String(row?.[name])}, not ${wanted}.`);
  }
  await dataSource.query(`PRAGMA busy_timeout = ${LOCK_WAIT_MS[options.type]}`);
}

/** Returns the options of a second connection, which only reads. */
export function reading(options: SqliteOptions): DataSourceOptions {
  const wait = {
    sqlite: { busyTimeout: LOCK_WAIT_MS.sqlite },
    'better-sqlite3': { timeout: LOCK_WAIT_MS['better-sqlite3'] },
  };
  return { ...options, ...READ_ONLY[options.type], ...wait[options.type], enableWAL: false } as DataSourceOptions;
}

/** Checks the whole structure of the database and its migrations, without changing anything. */
async function checkDatabase(options: SqliteOptions, file: string): Promise<void> {
  const inspection = await new DataSource({
    ...options,
    ...READ_ONLY[options.type],
    enableWAL: false,
  } as DataSourceOptions).initialize();
  try {
    const [verdict] = (await inspection.query('PRAGMA quick_check(1)')) as { quick_check: string }[];
    if (verdict?.quick_check !== 'ok') throw new StoreError(damaged(file, verdict?.quick_check));
    await refuseNewer(inspection, `The store ${file}`);
  } finally {
    await inspection.destroy();
  }
}

function damaged(file: string, detail: unknown): string {
  return `The store ${file} is damaged (${String(detail).split('\n')[0]}); restore a backup, or save what can be read with 'sqlite3 FILE .recover'.`;
}

function explained(file: string, cause: unknown): string {
  const { name, message } = cause as Error;
  // sqlite3 is loaded earlier, and reports the same by itself.
  if (isNotBuilt(cause)) return notBuilt('better-sqlite3');
  if (name === 'MissingDriverError')
    return `The store ${file} can't be opened: this version of TypeORM does not support sqlite3; give the type better-sqlite3, with the same database.`;
  const code = codeOf(cause);
  if (code === 'SQLITE_NOTADB')
    return `The store ${file} is not an SQLite database, or is damaged; nothing was changed in it.`;
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(file, message);
  if (code.startsWith('SQLITE_BUSY'))
    return `The store ${file} is locked by another process; stop that, and start again.`;
  return `The store ${file} can't be opened: ${message}`;
}
