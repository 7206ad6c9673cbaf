import { inspect } from 'node:util';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { StoreError } from './store-file.js';

/** Longest wait for the lock on the database, in milliseconds: a server that was just stopped needs a moment to let go of it. */
const OWNER_WAIT_MS = 2_000;
/** A session that reads lists ends when it was idle for so long, in milliseconds. */
const READER_IDLE_MS = 10_000;
/** Two numbers name a lock: this one is Holdfast's, the other the schema's. */
const LOCK = 0x401d_fa57;

const NOT_PRIVILEGED = '42501';
/** Names that TypeORM takes everywhere; Postgres would cut longer ones off, and read `$user` as another. */
const SCHEMA = /^[^"'`\\$\0]+$/;

/** Where the options of an open store keep the schema in which each of its sessions looks. */
const SCHEMA_OF_SESSIONS = Symbol('schema');

/** The options of a store that is on Postgres. */
export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/** What the store needs of a client of `pg`. */
interface Client {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, string | number | null>[] }>;
  on(event: 'error', listener: () => void): void;
}

/** Which session of the server a connection is; the number alone may be given again. */
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
    return await connect(guarded(options));
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
 * Lets no connection of the data source be used before the server has shown that it keeps what it commits, and that this
 * process alone has the database: positions go on from the highest that one process has read.
 *
 * The lock is held by the session, and ends with it. So whoever has it also knows that no statement of an earlier session,
 * written to a connection that was given up, can still be carried out.
 */
function guarded({ schema: given, ...options }: PostgresOptions): PostgresOptions {
  // Each session looks there and nowhere else, so that no statement has to name it: not ours, and not those of TypeORM, which
  // is not told.
  const schema = checkedSchema(given ?? schemaIn(options.url));
  let session: Session | null = null;
  const verify = (client: Client, done: (error?: Error) => void) => {
    // While it is handed over nobody listens, and an error that nobody listens to ends the process; its statement fails too.
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

/** The schema that an address names as `?schema=`, which `pg` passes over. */
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

/** The options of a session beside the store's, which reads alone, and ends when nobody has read for a while. */
export function reading(options: DataSourceOptions): DataSourceOptions {
  const schema = (options.extra as { [SCHEMA_OF_SESSIONS]?: string } | undefined)?.[SCHEMA_OF_SESSIONS];
  // In place of the `verify` that would take the database over.
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
    // It may be waiting, on a connection that was given up, for a statement that must not be carried out any more.
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2',
      [earlier.pid, earlier.since],
    );
  }
  try {
    await client.query(
      // A server whose machine was switched off keeps its lock until the database notices: in 25 s, not 2 hours. One that
      // is idle keeps it too: version 14 and later end sessions of their own accord, where they are told to.
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

/** Makes the schema where this session looks for every table; at the start it is made when it is missing, and never later, when its messages would be missing, too. */
async function enter(client: Client, schema: string, mayMake: boolean): Promise<void> {
  const { rows } = await client.query(
    `SELECT set_config('search_path', quote_ident($1), false), set_config('holdfast.schema', $1, false),
       (SELECT nspname FROM pg_namespace WHERE nspname = $1) AS found`,
    [schema],
  );
  if (rows[0]!['found'] !== null || !mayMake) return;
  // A statement that makes something takes no parameters.
  await client
    .query(`DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_setting('holdfast.schema')); END $$`)
    .catch((cause: unknown) => {
      const reason = (cause as Error).message;
      throw new StoreError(`There is no schema ${inspect(schema)}, and it can't be made: ${reason}; make it.`, {
        cause,
      });
    });
}

/** Which session it is, when the server's settings let a commit be a promise. */
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
