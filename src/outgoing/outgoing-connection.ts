import { Logger } from '@nestjs/common';
import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm';
import { fileOf, isSqlite } from '../database/sqlite-driver.js';

/** The key of the lock on Postgres, beside the id of the schema. */
const LOCK = 0x401d_0047;
/** How long a statement or its answer may take on Postgres, in milliseconds. */
const STATEMENT_MS = 10_000;
const CONNECT_MS = 3_000;
const KEEP_ALIVE_MS = 10_000;

/** The connection on which outgoing messages are taken. */
export interface OutgoingConnection {
  /** Returns it; null while another process takes the messages, or a transaction of the application is open on it. */
  enter(): Promise<QueryRunner | null>;
  /** Returns it also while another process takes the messages. */
  enterBeside(): Promise<QueryRunner | null>;
  /** After an error: the next `enter` connects anew. */
  abandon(): void;
  close(): Promise<void>;
}

/**
 * Returns the connection for the database of an application. `host` is the data source of the application, if it has
 * one. An SQLite in memory has only that one connection.
 */
export function connectionTo(options: DataSourceOptions, host: DataSource | null): OutgoingConnection {
  if (host && isSqlite(options) && fileOf(options) === null) return new SharedConnection(host);
  return new OwnConnection(ownOptions(options));
}

/**
 * A connection of its own: what it reads is committed. On Postgres it holds a lock of its session, so that one process
 * takes messages and the next one follows when that dies. A process has an SQLite to itself.
 */
class OwnConnection implements OutgoingConnection {
  private readonly logger = new Logger('Outgoing');
  private dataSource: DataSource | null = null;
  private runner: QueryRunner | null = null;
  private hasLock = false;

  constructor(private readonly options: DataSourceOptions) {}

  async enter(): Promise<QueryRunner | null> {
    const runner = await this.enterBeside();
    this.hasLock ||= await this.lock(runner);
    return this.hasLock ? runner : null;
  }

  async enterBeside(): Promise<QueryRunner> {
    // A runner whose connection was lost, and the lock with it, throws at the next statement, and is abandoned then.
    return (this.runner ??= await this.connect());
  }

  abandon(): void {
    this.close().catch((error: unknown) => this.logger.warn(`A connection can't be closed: ${String(error)}`));
  }

  async close(): Promise<void> {
    const { dataSource, runner } = this;
    this.dataSource = null;
    this.runner = null;
    this.hasLock = false;
    if (runner && !runner.isReleased) await runner.release();
    if (dataSource?.isInitialized) await dataSource.destroy();
  }

  private async connect(): Promise<QueryRunner> {
    this.dataSource = new DataSource(this.options);
    await this.dataSource.initialize();
    const runner = this.dataSource.createQueryRunner();
    if (this.options.type === 'postgres') {
      // A machine that was switched off holds its lock until the database notices: after 25 s instead of 2 hours.
      await runner.query(
        `SELECT set_config(name, value, false) FROM (VALUES ('tcp_keepalives_idle', '10'),
           ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), ('idle_session_timeout', '0')
         ) AS wanted (name, value) JOIN pg_settings USING (name)`,
      );
    }
    return runner;
  }

  private async lock(runner: QueryRunner): Promise<boolean> {
    if (this.options.type !== 'postgres') return true;
    const [row] = (await runner.query(
      `SELECT pg_try_advisory_lock(${LOCK}, (
         SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema())) AS locked`,
    )) as { locked: boolean }[];
    return row!.locked;
  }
}

/** The connection of the application itself, between its transactions. */
class SharedConnection implements OutgoingConnection {
  constructor(private readonly host: DataSource) {}

  async enter(): Promise<QueryRunner | null> {
    const runner = this.host.createQueryRunner();
    return runner.isTransactionActive ? null : runner;
  }

  enterBeside(): Promise<QueryRunner | null> {
    return this.enter();
  }

  abandon(): void {}

  async close(): Promise<void> {}
}

/** The options of a second connection to the same database, which makes and changes nothing there by itself. */
function ownOptions(options: DataSourceOptions): DataSourceOptions {
  const quiet = {
    ...options,
    entities: [],
    migrations: [],
    subscribers: [],
    migrationsRun: false,
    synchronize: false,
    dropSchema: false,
    cache: false,
    logging: false,
  };
  // better-sqlite3 waits on the event loop, where the transaction that it waits for goes on. It is tried again instead.
  if (options.type === 'better-sqlite3') return { ...quiet, timeout: 0 } as DataSourceOptions;
  if (options.type !== 'postgres') return quiet as DataSourceOptions;
  return {
    ...quiet,
    applicationName: 'holdfast outgoing',
    connectTimeoutMS: CONNECT_MS,
    poolSize: 1,
    extra: {
      ...(options.extra as object | undefined),
      statement_timeout: STATEMENT_MS,
      query_timeout: STATEMENT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      max: 1,
      idleTimeoutMillis: 0,
    },
  } as DataSourceOptions;
}
