import { inspect } from 'node:util';
import type { NodeIdentity } from '../offline-messages/node-ownership.js';
import { codeOf } from '../offline-messages/store-fault.js';
import { StoreError } from './store-file.js';

/**
 * Longest wait for the lock on the database, in milliseconds: a server that was just stopped needs a moment to release
 * it.
 */
const OWNER_WAIT_MS = 2_000;
/** Two numbers name a lock: this one stands for Holdfast, the other for the schema. */
const LOCK = 0x401d_fa57;
const LOCK_TIMEOUT = '55P03';

const SCHEMA_ID = `(SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema())`;
/**
 * A server whose machine was switched off keeps its lock until the database notices: with these settings after 25 s
 * instead of 2 hours. From version 14 on a database may also end idle sessions, and with them the lock, by itself.
 */
const SETTINGS = `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
       SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
       SET lock_timeout = ${OWNER_WAIT_MS};`;

/** The part of a `pg` client that the store needs. */
export interface Client {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, string | number | null>[] }>;
  on(event: 'error', listener: () => void): void;
}

/** Identifies the session of a connection: Postgres may use the same process id again later. */
export interface Session {
  readonly pid: number;
  readonly since: string;
}

/** The sessions that a node keeps open. Each kind has a lock of its own, whose end tells that the session has ended. */
export type SessionKind = 'store' | 'membership' | 'bus';

/** Which session of which node this is. Its lock is taken when the session opens, unless the id is null then. */
export interface NodeSession {
  readonly kind: SessionKind;
  readonly identity: Readonly<NodeIdentity>;
}

/** Returns SQL for the key of the exclusive lock of a node's session, from SQL for its kind and for the node's id. */
export function sessionLockSql(kind: string, node: string): string {
  return `hashtextextended(concat_ws(' ', 'holdfast', CAST(${kind} AS text), CAST(${node} AS text), current_schema()), 0)`;
}

/**
 * Makes a new connection the session of this process: it ends the earlier one, and takes the lock on the database: one
 * server alone, or the nodes of a cluster together. Throws a StoreError when others have it.
 */
export async function takeOver(
  client: Client,
  earlier: Session | null,
  schema: string | undefined,
  node: NodeSession | null,
): Promise<Session> {
  if (schema !== undefined) await enter(client, schema, earlier === null);
  const session = await checked(client);
  if (earlier) {
    // It may still be waiting, on an abandoned connection, to run a statement that must not run any more.
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2',
      [earlier.pid, earlier.since],
    );
  }
  if (node === null) await lockAlone(client);
  else await lockAsNode(client, session, node);
  return session;
}

async function lockAlone(client: Client): Promise<void> {
  try {
    await client.query(`${SETTINGS} SELECT pg_advisory_lock(${LOCK}, ${SCHEMA_ID}); RESET lock_timeout`);
  } catch (cause) {
    if (codeOf(cause) !== LOCK_TIMEOUT) throw cause;
    const { rows } = await client.query(
      `SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = ${LOCK} AND objid = ${SCHEMA_ID}
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`,
    );
    throw new StoreError(
      rows[0]?.['mode'] === 'ShareLock'
        ? 'Nodes of a cluster use this database; stop them, or start this server as one of them (CHAT_CLUSTER=1).'
        : 'Another Holdfast uses this database; stop that, give each a database of its own, or send through its REST call POST /chat/messages.',
      { cause },
    );
  }
}

/**
 * Nodes share the lock of the database. So the lock of its own proves to a node that no statement of its earlier
 * session can run any more.
 */
async function lockAsNode(client: Client, session: Session, { kind, identity }: NodeSession): Promise<void> {
  try {
    await client.query(`${SETTINGS} SELECT pg_advisory_lock_shared(${LOCK}, ${SCHEMA_ID})`);
  } catch (cause) {
    if (codeOf(cause) !== LOCK_TIMEOUT) throw cause;
    throw new StoreError(
      'A server that is not a node of a cluster uses this database; stop it, or start it as a node too (CHAT_CLUSTER=1).',
      { cause },
    );
  }
  try {
    if (identity.id !== null) {
      await client.query(`SELECT pg_advisory_lock(${sessionLockSql('$1', '$2')})`, [kind, identity.id]);
    }
  } catch (cause) {
    if (codeOf(cause) !== LOCK_TIMEOUT) throw cause;
    throw new StoreError(`An earlier session of this node (${kind}) has not ended yet.`, { cause });
  }
  await client.query('RESET lock_timeout');
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  if (Number(rows[0]?.['pid']) !== session.pid) throw new StoreError(POOLED);
}

/** The sentence for a pooler that gives each transaction another session. */
export const POOLED =
  'Between this node and Postgres is a pooler that changes sessions between transactions, and the locks of a node are on its session; give the address of Postgres itself, or let the pooler keep sessions (pool_mode = session).';

/**
 * Makes this session search all tables in the schema. A missing schema is made at the start only: later, its messages
 * would be missing too.
 */
export async function enter(client: Client, schema: string, mayMake: boolean): Promise<void> {
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
