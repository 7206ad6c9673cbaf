import { DataSource, type DataSourceOptions } from 'typeorm';
import { OpenFile } from './open-file.js';
import { openPostgres, reading as readingPostgres, type PostgresOptions } from './postgres-store.js';
import { fileOf, isSqlite, makeDurable, openSqlite, reading as readingSqlite } from './sqlite-store.js';
import { checkAndComplete } from './store-options.js';
import { refuseNewer } from './store-version.js';

/**
 * Opens the store's connection: makes the tables or brings them up to date, and makes sure that a commit is on the disk
 * when it is said to be. The connection is the store's alone, as on SQLite a statement joins whatever transaction is open
 * on its connection, and is rolled back with it after it was reported done.
 *
 * Rejects with a StoreError, whose message is for the operator, when a file is damaged or can't be written, a server can't
 * be reached or does not promise to keep what it commits, another server uses the database, or a newer version made it.
 * It is left as it is, and a file is never replaced by an empty one.
 */
export async function openStore(options: DataSourceOptions): Promise<DataSource> {
  const own = checkAndComplete(options);
  return isSqlite(own) ? openSqlite(own, connect) : openPostgres(own as PostgresOptions, connect);
}

/**
 * Closes the connection and opens it again on the same database, in the same object. After an I/O error nobody knows what
 * a handle believes of the file: the kernel reports a failed fsync once and forgets the pages. Nor does anybody know what
 * becomes of a statement on a network connection that is silent: on Postgres the session that had it is ended first.
 * A file that has gone or was replaced meanwhile is an error, not a new store.
 */
export async function reopenStore(dataSource: DataSource): Promise<void> {
  const { options } = dataSource;
  const connect = async () => {
    await dataSource.initialize();
    if (isSqlite(options)) await makeDurable(dataSource, options);
  };
  const file = OpenFile.of(dataSource);
  if (file) return file.reopen(connect);
  // In memory the store would end with its connection.
  if (isSqlite(options)) return;
  if (dataSource.isInitialized) await dataSource.destroy();
  await connect();
}

/** Throws a StoreError when the files of the store are not those that were opened. It waits for nothing. */
export function checkStore(dataSource: DataSource): void {
  OpenFile.of(dataSource)?.check();
}

/** How many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when none. */
export async function roomForInserts(dataSource: DataSource): Promise<number> {
  return (await OpenFile.of(dataSource)?.room.forInserts()) ?? Infinity;
}

/** Makes room for a deletion, before it or after one that was too large; rejects with SQLITE_FULL when there is none. */
export async function makeRoomForRemovals(dataSource: DataSource, hasFailed: boolean): Promise<void> {
  const room = OpenFile.of(dataSource)?.room;
  await (hasFailed ? room?.forSmallerRemovals() : room?.forRemovals());
}

/**
 * How to open a connection beside that of the store, which only reads: it brings no tables up to date and takes no lock that
 * says whose the database is. On SQLite it is one of the same driver in the same process, as SQLite's own locks on a file
 * are lost when anything else closes it. Null for a store in memory, which has only the one.
 */
export function readerOf({ options }: DataSource): (() => Promise<DataSource>) | null {
  if (isSqlite(options) && fileOf(options) === null) return null;
  const reading = isSqlite(options) ? readingSqlite(options) : readingPostgres(options);
  return () => new DataSource({ ...reading, entities: [], migrations: [] }).initialize();
}

async function connect(options: DataSourceOptions): Promise<DataSource> {
  const dataSource = await new DataSource(options).initialize();
  try {
    if (isSqlite(options)) await makeDurable(dataSource, options);
    else await refuseNewer(dataSource, 'The database');
    await dataSource.runMigrations();
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}
