import { Logger } from '@nestjs/common';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { inspectFile, sizeOf, StoreError } from './store-file.js';
import { lockStore } from './store-lock.js';
import { isNotBuilt, notBuilt } from './store-options.js';
import { refuseNewer } from './store-version.js';

/** `SQLITE_OPEN_READONLY`: what is only looked at stays as it is, byte for byte. */
const READ_ONLY = { sqlite: { flags: 1 }, 'better-sqlite3': { readonly: true } };
/**
 * How long a commit waits for a lock that another process holds, in milliseconds, before others have their turn:
 * better-sqlite3 would hold up the event loop, and the store waits itself.
 */
const LOCK_WAIT_MS = { sqlite: 250, 'better-sqlite3': 0 };
/**
 * To so many bytes the log is cut when it begins anew. It grows without bound while a reader in another process stays in
 * one transaction, and SQLite alone would leave it at that length for good.
 */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
/**
 * At so many pages the log is carried over into the file. Messages for many users touch many pages: at SQLite's 1,000 that
 * came with every third commit, and cost up to a quarter of the CPU of storing a row.
 */
const LOG_PAGES = 4_000; // Of 4,096 bytes and a head of 24: just below the limit.
/** The settings under which SQLite has a commit on the disk before it answers. */
const DURABLE = { synchronous: 2 /* FULL */, secure_delete: 1, journal_mode: 'wal' } as const;

/** The options of a store that is on SQLite, by either driver. */
export type SqliteOptions = Extract<DataSourceOptions, { type: 'sqlite' | 'better-sqlite3' }>;

export function isSqlite(options: DataSourceOptions): options is SqliteOptions {
  return options.type === 'sqlite' || options.type === 'better-sqlite3';
}

/** Opens the file with `connect`, when it is one that may be opened; rejects with a StoreError, and leaves the file as it is, otherwise. */
export async function openSqlite(
  options: SqliteOptions,
  connect: (options: SqliteOptions) => Promise<DataSource>,
): Promise<DataSource> {
  const file = fileOf(options);
  try {
    if (file === null) return await connect(options);
    const found = inspectFile(file);
    // A journal is the rest of a first start that was killed: only a connection that writes can finish with it.
    if (found === 'database' && sizeOf(`${file}-journal`) === null) await checkDatabase(options, file);
    const unlock = await lockStore(options, file);
    const dataSource = await connect(options).catch((error: unknown) =>
      unlock().then(() => {
        throw error;
      }),
    );
    unlockAtEnd(dataSource, unlock);
    if (found === 'empty') new Logger('Store').warn(`${file} was an empty file; it is a new store now.`);
    return dataSource;
  } catch (cause) {
    throw cause instanceof StoreError ? cause : new StoreError(explained(options.database, cause), { cause });
  }
}

function unlockAtEnd(dataSource: DataSource, unlock: () => Promise<void>): void {
  const destroy = dataSource.destroy.bind(dataSource);
  dataSource.destroy = async () => {
    await destroy();
    await unlock();
  };
}

/** Throws a StoreError when the file has gone: opening it again would make a new store. */
export function expectFile(options: SqliteOptions): void {
  const file = fileOf(options);
  if (file !== null && !sizeOf(file)) throw new StoreError(`The store ${file} has gone; put it back.`);
}

/** The path of a store that is a file; null for one in memory, which ends with its connection. */
export function fileOf({ database }: SqliteOptions): string | null {
  return database === ':memory:' ? null : database;
}

/** Makes the connection one that has a commit on the disk before it answers; rejects when it can't be. */
export async function makeDurable(dataSource: DataSource, options: SqliteOptions): Promise<void> {
  await dataSource.query('PRAGMA synchronous = FULL');
  // What was delivered is overwritten in the file, not only forgotten.
  await dataSource.query('PRAGMA secure_delete = ON');
  if (fileOf(options) === null) return;
  await dataSource.query(`PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES}`);
  await dataSource.query(`PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
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
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return damaged(file, message);
  if (code.startsWith('SQLITE_BUSY'))
    return `The store ${file} is locked by another process; stop that, and start again.`;
  return `The store ${file} can't be opened: ${message}`;
}
