import type { DataSource, DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { StoreError } from './store-file.js';

/** Longest wait for the lock on the database, in milliseconds: a server that was just stopped needs a moment to let go of it. */
const OWNER_WAIT_MS = 2_000;
/** A session that reads lists ends when it was idle for so long, in milliseconds. */
const READER_IDLE_MS = 10_000;
/** Two numbers name a lock: this one is Holdfast's, the other the schema's. */
const LOCK = 0x401d_fa57;

/** What the store needs of a client of `pg`. */
interface Client {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, string | number>[] }>;
  on(event: 'error', listener: () => void): void;
}

/** Which session of the server a connection is; the number alone may be given again. */
interface Session {
  readonly pid: number;
  readonly since: string;
}

/** Opens the database with `connect`; rejects with a StoreError when it can't be opened. */
export async function openPostgres(
  options: DataSourceOptions,
  connect: (options: DataSourceOptions) => Promise<DataSource>,
): Promise<DataSource> {
  try {
    return await connect(guarded(options));
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    const reason = (cause as Error).message || codeOf(cause);
    throw new StoreError(`The database can't be opened: ${reason}`, { cause });
  }
}

/**
 * Lets no connection of the data source be used before the server has shown that it keeps what it commits, and that this
 * process alone has the database: positions go on from the highest that one process has read.
 *
 * The lock is held by the session, and ends with it. So whoever has it also knows that no statement of an earlier session,
 * written to a connection that was given up, can still be carried out.
 */
function guarded(options: DataSourceOptions): DataSourceOptions {
  let session: Session | null = null;
  const verify = (client: Client, done: (error?: Error) => void) => {
    // While it is handed over nobody listens, and an error that nobody listens to ends the process; its statement fails too.
    client.on('error', () => undefined);
    takeOver(client, session).then(
      (taken) => {
        session = taken;
        done();
      },
      (error: Error) => done(error),
    );
  };
  return { ...options, extra: { ...(options.extra as object | undefined), verify } } as DataSourceOptions;
}

/** The options of a session beside the store's, which reads alone, and ends when nobody has read for a while. */
export function reading(options: DataSourceOptions): DataSourceOptions {
  // In place of the `verify` that would take the database over.
  const verify = (client: Client, done: (error?: Error) => void) => {
    client.on('error', () => undefined);
    client.query('SET default_transaction_read_only = on').then(() => done(), done);
  };
  const extra = { ...(options.extra as object | undefined), verify, idleTimeoutMillis: READER_IDLE_MS };
  return { ...options, applicationName: 'holdfast lists', extra } as DataSourceOptions;
}

async function takeOver(client: Client, earlier: Session | null): Promise<Session> {
  const session = await checked(client);
  if (earlier) {
    // It may be waiting, on a connection that was given up, for a statement that must not be carried out any more.
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2',
      [earlier.pid, earlier.since],
    );
  }
  try {
    await client.query(
      // A server whose machine was switched off keeps its lock until the database notices: in 25 s, not 2 hours.
      `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
       SET lock_timeout = ${OWNER_WAIT_MS};
       SELECT pg_advisory_lock(${LOCK}, (SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema()));
       RESET lock_timeout`,
    );
  } catch (cause) {
    if (codeOf(cause) !== '55P03') throw cause;
    throw new StoreError('Another Holdfast uses this database; stop that, or give each a database of its own.', {
      cause,
    });
  }
  return session;
}

/** Which session it is, when the server's settings let a commit be a promise. */
async function checked(client: Client): Promise<Session> {
  const { rows } = await client.query(
    `SELECT pid, CAST(backend_start AS text) AS since, current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS encoding,
       current_setting('transaction_read_only') AS read_only
     FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
  );
  const { pid, since, fsync, synchronous_commit: commit, encoding, read_only: readOnly } = rows[0]!;
  for (const [name, value] of Object.entries({ fsync, synchronous_commit: commit })) {
    if (value === 'off') {
      throw new StoreError(`The database can't promise durable commits: ${name} is off; set it to on.`);
    }
  }
  if (encoding !== 'UTF8') {
    throw new StoreError(`The database has the encoding ${encoding}; make one with ENCODING 'UTF8'.`);
  }
  if (readOnly === 'on') {
    throw new StoreError('The database can only be read (it is a standby, or default_transaction_read_only is on).');
  }
  return { pid: Number(pid), since: String(since) };
}
