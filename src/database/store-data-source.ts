import { DataSource, type DataSourceOptions } from 'typeorm';
import type { NodeIdentity } from '../offline-messages/node-ownership.js';
import {
  lockForPreparation,
  PATIENT,
  prepareForNodes,
  refusePooler,
  takeBackFromNodes,
  warnOfStandby,
} from './cluster-tables.js';
import { OpenFile } from './open-file.js';
import {
  nodeSessionOptions,
  openPostgres,
  reading as readingPostgres,
  type PostgresOptions,
} from './postgres-store.js';
import { fileOf, isSqlite } from './sqlite-driver.js';
import { makeDurable, openSqlite, reading as readingSqlite } from './sqlite-store.js';
import { StoreError } from './store-file.js';
import { checkAndComplete } from './store-options.js';
import { refuseNewer } from './store-version.js';

/**
 * Opens the store's connection: makes or migrates the tables, and makes sure that a commit is on the disk when it is
 * reported. Only the store uses the connection: on SQLite a statement joins the transaction that is open on its
 * connection, and would be rolled back with it after it was reported done.
 *
 * Rejects with a StoreError, whose message is for the operator, when a file is damaged or not writable, a server is not
 * reachable or its commits are not durable, another server uses the database, or a newer version made it. The database
 * is left as it is, and a file is never replaced by an empty one.
 *
 * With a node, others may use the database at the same time; its id is null until it has joined them.
 */
export async function openStore(options: DataSourceOptions, node: NodeIdentity | null = null): Promise<DataSource> {
  const own = checkAndComplete(options);
  if (!isSqlite(own)) {
    const session = node && ({ kind: 'store', identity: node } as const);
    return openPostgres(own as PostgresOptions, session, node === null ? connect : connectNode);
  }
  if (node === null) return openSqlite(own, connect);
  throw new StoreError(
    'A cluster needs Postgres, and the database is SQLite; give an address of Postgres (DATABASE_URL=postgres://…, or database), or leave the cluster out.',
  );
}

/**
 * Closes the connection and opens it again on the same database, in the same object. After an I/O error the state of a
 * handle is unknown: the kernel reports a failed fsync once and drops the pages. A statement on a silent network
 * connection may still run: on Postgres its session is ended first. A file that was deleted or replaced meanwhile is an
 * error, not a new store.
 */
export async function reopenStore(dataSource: DataSource): Promise<void> {
  const { options } = dataSource;
  const connect = async () => {
    await dataSource.initialize();
    if (isSqlite(options)) await makeDurable(dataSource, options);
  };
  const file = OpenFile.find(dataSource);
  if (file) return file.reopen(connect);
  // A store in memory would end with its connection.
  if (isSqlite(options)) return;
  if (dataSource.isInitialized) await dataSource.destroy();
  await connect();
}

/** Throws a StoreError when the files of the store are not those that were opened. Does not wait. */
export function checkStore(dataSource: DataSource): void {
  OpenFile.find(dataSource)?.check();
}

/** Returns how many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when none may. */
export async function roomForInserts(dataSource: DataSource): Promise<number> {
  return (await OpenFile.find(dataSource)?.room.forInserts()) ?? Infinity;
}

/**
 * Makes room for a delete, before it or after one that was too large; returns how many bytes it may overwrite. Rejects
 * with SQLITE_FULL when there is no room.
 */
export async function makeRoomForRemovals(dataSource: DataSource, hasFailed: boolean): Promise<number> {
  const room = OpenFile.find(dataSource)?.room;
  if (!room) return Infinity;
  return hasFailed ? room.forSmallerRemovals() : room.forRemovals();
}

/**
 * Returns the function that opens a second connection, which only reads: it runs no migrations and does not take the
 * store's lock. On SQLite it uses the same driver in the same process, because SQLite's own locks on a file are lost
 * when anything else in the process closes it. Null for a store in memory, which has only one connection.
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
    if (!isSqlite(options)) await takeBackFromNodes(dataSource);
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

/** Connects as a node. A session of its own, which may take its time, prepares the database, one node at a time. */
async function connectNode(options: PostgresOptions): Promise<DataSource> {
  const own = nodeSessionOptions(options, { kind: 'store', identity: { id: null } });
  const extra = { ...(own.extra as object), ...PATIENT };
  const preparing = { ...own, migrations: options.migrations, extra } as DataSourceOptions;
  const preparation = await new DataSource(preparing).initialize();
  const store = new DataSource(options);
  try {
    await lockForPreparation(preparation);
    await refuseNewer(preparation, 'The database');
    await preparation.runMigrations();
    await prepareForNodes(preparation);
    await warnOfStandby(preparation);
    await refusePooler(preparation, await store.initialize());
    return store;
  } catch (error) {
    if (store.isInitialized) await store.destroy();
    throw error;
  } finally {
    await preparation.destroy();
  }
}
