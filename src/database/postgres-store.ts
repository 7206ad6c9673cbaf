import { inspect } from 'node:util';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { StoreError } from './store-file.js';

/**
 * Longest wait for the lock on the database, in milliseconds: a server that was just stopped needs a moment to release
 * it.
 */
const OWNER_WAIT_MS = 2_000;
/** A session that reads lists ends after it was idle for this long, in milliseconds. */
const READER_IDLE_MS = 10_000;
/** Two numbers name a lock: this one stands for Holdfast, the other for the schema. */
const LOCK = 0x401d_fa57;

const NOT_PRIVILEGED = '42501';
/** The names that TypeORM accepts everywhere. Postgres would cut off longer names, and read `$user` as another one. */
const SCHEMA = /^[^"'`\\$\0]+$/;

/** The key under which the options of an open store keep the schema of its sessions. */
const SCHEMA_OF_SESSIONS = Symbol('schema');

/** The options of a store that is on Postgres. */
export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/** The part of a `pg` client that the store needs. */
interface Client {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, string | number | null>[] }>;
  on(event: 'error', listener: () => void): void;
}

/** Identifies the session of a connection: Postgres may use the same process id again later. */
interface Session {
  readonly pid: number;
  readonly since: string;
}

/** Opens the database with `connect`; rejects with a StoreError when it can't be opened. */
export async function openPostgres(
  options: PostgresOptions,
  connect: (options: DataSourceOptions) => Promise<DataSource>,
): Promise<DataSource> {
  try {
    return await connect(verifyingOptions(options));
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(`The database can't be opened: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const reason = (cause as Error).message || codeOf(cause);
  if (codeOf(cause) !== NOT_PRIVILEGED) return reason;
  return `${reason}; grant this role what the store needs, or have another one make its tables (docs/operations.md, Postgres)`;
}

/**
 * Returns options that verify each connection before it is used: the server must keep what it commits, and this process
 * must be the only one that has the database, because positions go on from the highest that one process has read.
 *
 * The session holds the lock, and the lock ends with it. So the owner of the lock also knows that no statement of an
 * earlier session, on a connection that was abandoned, can still run.
 */
function verifyingOptions({ schema: given, ...options }: PostgresOptions): PostgresOptions {
  // Each session searches only this schema, so no statement has to name it: not ours, and not those of TypeORM, which
  // does not know it.
  const schema = checkedSchema(given ?? schemaIn(options.url));
  let session: Session | null = null;
  const verify = (client: Client, done: (error?: Error) => void) => {
    // Until `pg` hands the client over, it has no error listener, and such an error would end the process. The
    // statement fails as well, which is handled below.
    client.on('error', () => undefined);
    takeOver(client, session, schema).then(
      (taken) => {
        session = taken;
        done();
      },
      (error: Error) => done(error),
    );
  };
  return { ...options, extra: { ...(options.extra as object | undefined), verify, [SCHEMA_OF_SESSIONS]: schema } };
}

/** Returns the schema that an address names as `?schema=`, which `pg` ignores. */
function schemaIn(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? (new URL(url).searchParams.get('schema') ?? undefined) : undefined;
}

function checkedSchema(schema: unknown): string | undefined {
  if (schema === undefined || (typeof schema === 'string' && SCHEMA.test(schema) && Buffer.byteLength(schema) <= 63)) {
    return schema;
  }
  throw new StoreError(
    `The schema of the store is ${inspect(schema)}; give the name of one, of 1 to 63 bytes without quotes, backslashes or $, or leave it out.`,
  );
}

/** Returns the options of a second session, which only reads, and ends after it was idle for a while. */
export function reading(options: DataSourceOptions): DataSourceOptions {
  const schema = (options.extra as { [SCHEMA_OF_SESSIONS]?: string } | undefined)?.[SCHEMA_OF_SESSIONS];
  // It replaces the `verify` that would take over the database.
  const verify = (client: Client, done: (error?: Error) => void) => {
    client.on('error', () => undefined);
    const entered = schema === undefined ? Promise.resolve() : enter(client, schema, false);
    entered.then(() => client.query('SET default_transaction_read_only = on')).then(() => done(), done);
  };
  const extra = { ...(options.extra as object | undefined), verify, idleTimeoutMillis: READER_IDLE_MS };
  return { ...options, applicationName: 'holdfast lists', extra } as DataSourceOptions;
}

async function takeOver(client: Client, earlier: Session | null, schema: string | undefined): Promise<Session> {
  if (schema !== undefined) await enter(client, schema, earlier === null);
  const session = await checked(client);
  if (earlier) {
    // It may still be waiting, on an abandoned connection, to run a statement that must not run any more.
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2',
      [earlier.pid, earlier.since],
    );
  }
  try {
    await client.query(
      // A server whose machine was switched off keeps its lock until the database notices: with these settings after 25
      // s instead of 2 hours. From version 14 on a database may also end idle sessions, and with them the lock, by
      // itself.
      `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
       SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
       SET lock_timeout = ${OWNER_WAIT_MS};
       SELECT pg_advisory_lock(${LOCK}, (SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema()));
       RESET lock_timeout`,
    );
  } catch (cause) {
    if (codeOf(cause) !== '55P03') throw cause;
    throw new StoreError(
      'Another Holdfast uses this database; stop that, give each a database of its own, or send through its REST call POST /chat/messages.',
      {
        cause,
      },
    );
  }
  return session;
}

/**
 * Makes this session search all tables in the schema. A missing schema is made at the start only: later, its messages
 * would be missing too.
 */
async function enter(client: Client, schema: string, mayMake: boolean): Promise<void> {
  const { rows } = await client.query(
    `SELECT set_config('search_path', quote_ident($1), false), set_config('holdfast.schema', $1, false),
       (SELECT nspname FROM pg_namespace WHERE nspname = $1) AS found`,
    [schema],
  );
  if (rows[0]!['found'] !== null || !mayMake) return;
  // CREATE SCHEMA cannot take parameters.
  await client
    .query(`DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_setting('holdfast.schema')); END $$`)
    .catch((cause: unknown) => {
      const reason = (cause as Error).message;
      throw new StoreError(`There is no schema ${inspect(schema)}, and it can't be made: ${reason}; make it.`, {
        cause,
      });
    });
}

/** Returns which session this is; throws a StoreError when the server's settings do not make commits durable. */
async function checked(client: Client): Promise<Session> {
  const { rows } = await client.query(
    `SELECT pid, CAST(backend_start AS text) AS since, current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS encoding,
       current_setting('transaction_read_only') AS read_only, current_schema() AS schema
     FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
  );
  const { pid, since, fsync, synchronous_commit: commit, encoding, read_only: readOnly, schema } = rows[0]!;
  for (const [name, value] of Object.entries({ fsync, synchronous_commit: commit })) {
    if (value === 'off') {
      throw new StoreError(`The database can't promise durable commits: ${name} is off; set it to on.`);
    }
  }
  if (encoding !== 'UTF8') {
    throw new StoreError(`The database has the encoding ${encoding}; make one with ENCODING 'UTF8'.`);
  }
  if (schema === null) {
    throw new StoreError(
      "There is no schema for the store that this role may use; GRANT USAGE on it, or set the role's search_path or the option schema.",
    );
  }
  if (readOnly === 'on') {
    throw new StoreError('The database can only be read (it is a standby, or default_transaction_read_only is on).');
  }
  return { pid: Number(pid), since: String(since) };
}
