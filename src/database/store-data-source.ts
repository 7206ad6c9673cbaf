import { Logger } from '@nestjs/common';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { inspectFile, sizeOf, StoreError } from './store-file.js';

/** `SQLITE_OPEN_READONLY`: what is only looked at stays as it is, byte for byte. */
const READ_ONLY = 1;
/** How long a commit waits for a lock that another process holds, in milliseconds, before others have their turn. */
const LOCK_WAIT_MS = 250;
/**
 * To so many bytes the log is cut when it begins anew. It grows without bound while a reader in another process stays in
 * one transaction, and SQLite alone would leave it at that length for good.
 */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Opens the store's connection: makes the tables or brings them up to date, and makes sure that a commit is on the disk
 * when it is said to be. The connection is the store's alone, as on SQLite a statement joins whatever transaction is open
 * on its connection, and is rolled back with it after it was reported done.
 *
 * Rejects with a StoreError, whose message is for the operator, when the file is damaged, of a newer version or can't be
 * written. Such a file is left as it is, and never replaced by an empty one.
 */
export async function openStore(options: DataSourceOptions): Promise<DataSource> {
  const file = fileOf(options);
  if (file === null) return connect(options);
  const found = inspectFile(file);
  try {
    // A journal is the rest of a first start that was killed: only a connection that writes can finish with it.
    if (found === 'database' && sizeOf(`${file}-journal`) === null) await checkDatabase(options, file);
    const dataSource = await connect(options);
    if (found === 'empty') new Logger('Store').warn(`${file} was an empty file; it is a new store now.`);
    return dataSource;
  } catch (cause) {
    throw cause instanceof StoreError ? cause : new StoreError(explained(file, cause), { cause });
  }
}

/**
 * Closes the connection and opens it again on the same file, in the same object. After an I/O error nobody knows what a
 * handle believes of the file: the kernel reports a failed fsync once and forgets the pages. A file that has gone
 * missing meanwhile is an error, not a new store.
 */
export async function reopenStore(dataSource: DataSource): Promise<void> {
  const file = fileOf(dataSource.options);
  if (file === null) return;
  if (dataSource.isInitialized) await dataSource.destroy();
  if (!sizeOf(file)) throw new StoreError(`The store ${file} has gone; put it back.`);
  await dataSource.initialize();
  await makeDurable(dataSource);
}

async function connect(options: DataSourceOptions): Promise<DataSource> {
  const dataSource = await new DataSource(options).initialize();
  try {
    if (options.type === 'sqlite') await makeDurable(dataSource);
    await dataSource.runMigrations();
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

/** The path of a store that is a file; null for one in memory, or on a server. */
function fileOf(options: DataSourceOptions): string | null {
  return options.type === 'sqlite' && options.database !== ':memory:' ? options.database : null;
}

/** Reads the whole structure of the database, and which migrations it has, without changing it. */
async function checkDatabase(options: DataSourceOptions, file: string): Promise<void> {
  const looker = await new DataSource({
    ...options,
    flags: READ_ONLY,
    enableWAL: false,
  } as DataSourceOptions).initialize();
  try {
    const [verdict] = (await looker.query('PRAGMA quick_check(1)')) as { quick_check: string }[];
    if (verdict?.quick_check !== 'ok') throw new StoreError(damaged(file, verdict?.quick_check));
    const table = options.migrationsTableName ?? 'migrations';
    const known = new Set(looker.migrations.map((migration) => migration.name ?? migration.constructor.name));
    const tables = (await looker.query(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`, [table])) as [];
    const applied =
      tables.length > 0 ? ((await looker.query(`SELECT name FROM "${table}"`)) as { name: string }[]) : [];
    const unknown = applied.find(({ name }) => !known.has(name));
    if (unknown) {
      throw new StoreError(
        `The store ${file} was made by a newer version of Holdfast (it has ${unknown.name}); start that version, or restore an older backup.`,
      );
    }
  } finally {
    await looker.destroy();
  }
}

function damaged(file: string, detail: unknown): string {
  return `The store ${file} is damaged (${String(detail).split('\n')[0]}); restore a backup, or save what can be read with 'sqlite3 FILE .recover'.`;
}

function explained(file: string, cause: unknown): string {
  const { message } = cause as Error;
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(message)) return damaged(file, message);
  if (message.startsWith('SQLITE_BUSY'))
    return `The store ${file} is locked by another process; stop that, and start again.`;
  return `The store ${file} can't be opened: ${message}`;
}

/** The settings under which SQLite has a commit on the disk before it answers. */
const DURABLE = { synchronous: 2 /* FULL */, secure_delete: 1, journal_mode: 'wal' } as const;

async function makeDurable(dataSource: DataSource): Promise<void> {
  await dataSource.query('PRAGMA synchronous = FULL');
  // What was delivered is overwritten in the file, not only forgotten.
  await dataSource.query('PRAGMA secure_delete = ON');
  if (dataSource.options.database === ':memory:') return;
  await dataSource.query(`PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES}`);
  for (const [name, wanted] of Object.entries(DURABLE)) {
    const [row] = (await dataSource.query(`PRAGMA ${name}`)) as Record<string, unknown>[];
    if (row?.[name] === wanted) continue;
    throw new Error(`The database can't promise durable commits: ${name} is ${String(row?.[name])}, not ${wanted}.`);
  }
  await dataSource.query(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
}
