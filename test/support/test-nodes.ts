import { afterAll, describe, it } from '@jest/globals';
import { PostgresProxy } from './postgres-proxy.js';
import { PostgresServer } from './postgres-server.js';
import { RedisServer } from './redis-server.js';

/** How many nodes the application of a test is; 1 is a single server, as it is without a cluster. */
export const NODES = Number(process.env['CHAT_TEST_NODES'] ?? 1);
/** What carries messages between them: `Postgres` or `Redis`. */
const BUS = process.env['CHAT_TEST_BUS'] ?? 'Postgres';

/** Why a test is left out when there are several nodes. */
const REASONS = {
  limits: "sockets, the queue of handshakes, and limits by address and of all connections are each node's own",
  metrics: 'each node counts what it does itself',
  log: 'each node reads the published keys itself, and says in the log what it has met',
  process: 'it is about the memory, the order of stopping or the event loop of one process',
  hops: 'what goes to another node is there a moment later, and its home does not know that a connection is slow',
  order: 'it sends from several clients in turn, and what comes through two nodes has no order',
  collation: 'names have the order of the collation of the database',
  parts: 'it looks into, or holds up, a part of the only process',
} as const;

/** For a test of what one process has or does by itself: it is left out when there are several nodes. */
export function alone(because: keyof typeof REASONS): {
  readonly it: typeof it.skip;
  readonly describe: typeof describe.skip;
} {
  if (NODES === 1) return { it, describe };
  process.stdout.write(`a test is left out: ${REASONS[because]}\n`);
  return { it: it.skip, describe: describe.skip };
}

/** The engines of the tests of one file. */
let postgres: PostgresServer | null = null;
let redis: { readonly server: RedisServer; readonly port: PostgresProxy } | null = null;
/** The database of the chat that was started with this folder. */
const databases = new Map<string, string>();

if (NODES > 1) {
  afterAll(async () => {
    await redis?.port.close();
    await redis?.server.dispose();
    await postgres?.dispose();
  });
}

export async function databaseOf(folder: string): Promise<string> {
  postgres ??= await PostgresServer.start();
  const url = databases.get(folder) ?? (await postgres.createDatabase());
  databases.set(folder, url);
  return url;
}

/** The address of Redis if it is the bus. */
export async function busOf(): Promise<string | null> {
  if (BUS !== 'Redis') return null;
  if (!redis) {
    const server = await RedisServer.start();
    redis = { server, port: await PostgresProxy.start(server.socket) }; // An option takes no socket of a file.
  }
  return `redis://127.0.0.1:${redis.port.port}`;
}
