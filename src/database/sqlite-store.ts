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

/** `SQLITE_OPEN_READONLY`: what is only looked at stays as it is, byte for byte. */
const READ_ONLY = { sqlite: { flags: 1 }, 'better-sqlite3': { readonly: true } };
/**
 * How long a commit waits for a lock that another process holds, in milliseconds, before others have their turn:
 * better-sqlite3 would hold up the event loop, and the store waits itself.
 */
const LOCK_WAIT_MS = { sqlite: 250, 'better-sqlite3': 0 };
/** What a page takes in the log with its head of 24 bytes, and a little more: it is carried over just below its limit. */
const LOGGED_PAGE_BYTES = 4_194;
/** The settings under which SQLite has a commit on the disk before it answers. */
const DURABLE = { synchronous: 2 /* FULL */, secure_delete: 1, journal_mode: 'wal' } as const;

const logger = new Logger('Store');

/** Opens the file with `connect`, when it is one that may be opened; rejects with a StoreError, and leaves the file as it is, otherwise. */
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
    // A journal is the rest of a first start that was killed: only a connection that writes can finish with it.
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

/** Makes the connection one that has a commit on the disk before it answers; rejects when it can't be. */
export async function makeDurable(dataSource: DataSource, options: SqliteOptions): Promise<void> {
  await dataSource.query('PRAGMA synchronous = FULL');
  // What was delivered is overwritten in the file, not only forgotten.
  await dataSource.query('PRAGMA secure_delete = ON');
  if (fileOf(options) === null) return;
  // To so many bytes the log is cut when it begins anew. It grows without bound while a reader in another process stays in
  // one transaction, and SQLite alone would leave it at that length for good.
  const logBytes = logLimitIn(dirname(options.database));
  await dataSource.query(`PRAGMA journal_size_limit = ${logBytes}`);
  // Messages for many users touch many pages: at SQLite's 1,000 the log was carried over with every third commit, which
  // cost up to a quarter of the CPU of storing a row.
  const logPages = Math.floor(logBytes / LOGGED_PAGE_BYTES);
  await dataSource.query(`PRAGMA wal_autocheckpoint = ${logPages}`);
  for (const [name, wanted] of Object.entries(DURABLE)) {
    const [row] = (await dataSource.query(`PRAGMA ${name}`)) as Record<string, unknown>[];
    if (row?.[name] === wanted) continue;
    throw new Error(`The database can't promise durable commits: ${name} is ${String(row?.[name])}, not ${wanted}.`);
  }
  await dataSource.query(`PRAGMA busy_timeout = ${LOCK_WAIT_MS[options.type]}`);
}

/** The options of a connection that only reads, beside the one that writes. */
export function reading(options: SqliteOptions): DataSourceOptions {
  const wait = {
    sqlite: { busyTimeout: LOCK_WAIT_MS.sqlite },
    'better-sqlite3': { timeout: LOCK_WAIT_MS['better-sqlite3'] },
  };
  return { ...options, ...READ_ONLY[options.type], ...wait[options.type], enableWAL: false } as DataSourceOptions;
}

/** Reads the whole structure of the database, and which migrations it has, without changing it. */
async function checkDatabase(options: SqliteOptions, file: string): Promise<void> {
  const looker = await new DataSource({
    ...options,
    ...READ_ONLY[options.type],
    enableWAL: false,
  } as DataSourceOptions).initialize();
  try {
    const [verdict] = (await looker.query('PRAGMA quick_check(1)')) as { quick_check: string }[];
    if (verdict?.quick_check !== 'ok') throw new StoreError(damaged(file, verdict?.quick_check));
    await refuseNewer(looker, `The store ${file}`);
  } finally {
    await looker.destroy();
  }
}

function damaged(file: string, detail: unknown): string {
  return `The store ${file} is damaged (${String(detail).split('\n')[0]}); restore a backup, or save what can be read with 'sqlite3 FILE .recover'.`;
}

function explained(file: string, cause: unknown): string {
  const { name, message } = cause as Error;
  if (isNotBuilt(cause)) return notBuilt('better-sqlite3'); // The other one is loaded before.
  if (name === 'MissingDriverError')
    return `The store ${file} can't be opened: this TypeORM has no sqlite3 any more; give the type better-sqlite3, with the same database.`;
  const code = codeOf(cause);
  if (code === 'SQLITE_NOTADB')
    return `The store ${file} is no SQLite database, or is damaged; nothing was changed in it.`;
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(file, message);
  if (code.startsWith('SQLITE_BUSY'))
    return `The store ${file} is locked by another process; stop that, and start again.`;
  return `The store ${file} can't be opened: ${message}`;
}
