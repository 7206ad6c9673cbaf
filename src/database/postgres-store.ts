import { inspect } from 'node:util';
import type { DataSource, DataSourceOptions } from 'typeorm';
import type { NodeIdentity } from '../offline-messages/node-ownership.js';
import { codeOf } from '../offline-messages/store-fault.js';
import { enter, takeOver, type Client, type NodeSession, type Session } from './postgres-session.js';
import { StoreError } from './store-file.js';

/** A session that reads lists ends after it was idle for this long, in milliseconds. */
const READER_IDLE_MS = 10_000;

const NOT_A_POOLER = 'a pooler is in between: give the address of Postgres itself';
const NOT_PRIVILEGED = '42501';
/** The names that TypeORM accepts everywhere. Postgres would cut off longer names, and read `$user` as another one. */
const SCHEMA = /^[^"'`\\$\0]+$/;

/** The key under which the options of an open store keep the schema of its sessions. */
const SCHEMA_OF_SESSIONS = Symbol('schema');
/** The same for the identity of the node. */
const NODE_OF_STORE = Symbol('node');

/** The options of a store that is on Postgres. */
export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/**
 * Opens the database with `connect`, for one server or for a node; rejects with a StoreError when it can't be opened.
 */
export async function openPostgres(
  options: PostgresOptions,
  node: NodeSession | null,
  connect: (options: PostgresOptions) => Promise<DataSource>,
): Promise<DataSource> {
  try {
    return await connect(verifyingOptions(options, node));
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(`The database can't be opened: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const reason = (cause as Error).message || codeOf(cause);
  if (reason.includes('unsupported startup parameter')) return `${reason}; ${NOT_A_POOLER}`;
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
function verifyingOptions({ schema: given, ...options }: PostgresOptions, node: NodeSession | null): PostgresOptions {
  // Each session searches only this schema, so no statement has to name it: not ours, and not those of TypeORM, which
  // does not know it.
  const schema = checkedSchema(given ?? schemaIn(options.url));
  const own = { verify: verifier(schema, node), [SCHEMA_OF_SESSIONS]: schema, [NODE_OF_STORE]: node?.identity ?? null };
  return { ...options, extra: { ...(options.extra as object | undefined), ...own } };
}

/** Returns what `pg` calls for each new connection, before that is used. */
function verifier(schema: string | undefined, node: NodeSession | null) {
  let session: Session | null = null;
  return (client: Client, done: (error?: Error) => void) => {
    // Until `pg` hands the client over, it has no error listener, and such an error would end the process. The
    // statement fails as well, which is handled below.
    client.on('error', () => undefined);
    takeOver(client, session, schema, node).then(
      (taken) => {
        session = taken;
        done();
      },
      (error: Error) => done(error),
    );
  };
}

/** Returns the node that an open store belongs to; null for one server. */
export function nodeOf({ options }: DataSource): NodeIdentity | null {
  return (options.extra as { [NODE_OF_STORE]?: NodeIdentity } | undefined)?.[NODE_OF_STORE] ?? null;
}

/**
 * Returns the options of another session of a node, from those of its store, open or not: of one connection that stays open.
 * When it is lost, the next statement opens it again, ends the earlier one, and takes its locks again.
 */
export function nodeSessionOptions(options: DataSourceOptions, node: NodeSession): DataSourceOptions {
  const verify = verifier(schemaOf(options), node);
  const extra = { ...(options.extra as object | undefined), verify };
  return {
    ...options,
    schema: undefined,
    applicationName: `holdfast ${node.kind}`,
    entities: [],
    migrations: [],
    extra,
  } as DataSourceOptions;
}

/** An open store keeps the schema of its sessions; otherwise its options say it. */
function schemaOf(options: DataSourceOptions): string | undefined {
  const { extra, schema, url } = options as PostgresOptions;
  const known = extra as { [SCHEMA_OF_SESSIONS]?: string } | undefined;
  return known && SCHEMA_OF_SESSIONS in known ? known[SCHEMA_OF_SESSIONS] : checkedSchema(schema ?? schemaIn(url));
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
  const schema = schemaOf(options);
  // It replaces the `verify` that would take over the database.
  const verify = (client: Client, done: (error?: Error) => void) => {
    client.on('error', () => undefined);
    const entered = schema === undefined ? Promise.resolve() : enter(client, schema, false);
    entered.then(() => client.query('SET default_transaction_read_only = on')).then(() => done(), done);
  };
  const extra = { ...(options.extra as object | undefined), verify, idleTimeoutMillis: READER_IDLE_MS };
  return { ...options, applicationName: 'holdfast lists', extra } as DataSourceOptions;
}
