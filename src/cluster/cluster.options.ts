import { inspect } from 'node:util';
import { resolveDatabaseOption, type DatabaseOption } from '../database/database-option.js';
import { ChatOptionsError } from '../options/chat.options.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { MODULE_OPTIONS } from '../options/options.module.js';

/** How the nodes of a cluster speak with each other. */
export interface ClusterOptions {
  /**
   * What carries frames between the nodes: `{ redis: 'redis://…' }` or `rediss://…` for Redis or Valkey. It is the same
   * for all nodes.
   * @default Postgres, by LISTEN and NOTIFY
   */
  bus?: { redis: string };
}

/** The checked settings of a node. */
export interface ClusterSettings {
  /** The address of Redis; null for Postgres. */
  readonly redis: string | null;
}

/** The injection token of the settings of a node; null when this process is the only server of its database. */
export const CLUSTER_SETTINGS = Symbol.for('holdfast:cluster');

/** Provides the settings. A process that can't be a node does not start. */
export const clusterSettings = {
  provide: CLUSTER_SETTINGS,
  inject: [MODULE_OPTIONS],
  useFactory: ({ cluster, database }: { cluster?: unknown; database?: DatabaseOption }): ClusterSettings | null =>
    resolveClusterOption(cluster, resolveDatabaseOption(database)),
};

const EXAMPLE = "give true, { bus: { redis: 'redis://HOST:6379' } }, or leave it out";
const ADDRESS = 'give redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS, with what is special as % and its number';

/**
 * Returns the settings of a node; null when this is not one. Throws a ChatOptionsError for what does not fit, also when
 * the store is not on Postgres. No error contains an address of Redis, which may hold a password.
 */
export function resolveClusterOption(given: unknown, { type }: { readonly type: string }): ClusterSettings | null {
  if (given === undefined || given === null || given === false) return null;
  const { bus, ...others } = given === true ? {} : objectOf('cluster', given, EXAMPLE);
  refuseUnknown('cluster', others, 'bus');
  const settings = { redis: bus === undefined ? null : redisOf(bus) };
  if (type === 'postgres') return settings;
  throw new ChatOptionsError(
    'cluster',
    `is given, but the store is on ${type}`,
    "give database: 'postgres://…', the same for all nodes; a store on SQLite is for one server",
  );
}

/** Returns what the line of the start says of the cluster, without the user and the password of the bus. */
export function titleOfCluster({ redis }: ClusterSettings): string {
  if (redis === null) return 'a node of a cluster, whose bus is Postgres';
  const { protocol, host } = new URL(redis);
  return `a node of a cluster, whose bus is ${protocol}//${host}`;
}

/** Returns what is wrong with an address of Redis; null if nothing is. */
export function flawOfRedis(url: string): readonly [problem: string, remedy: string] | null {
  const flaw = flawOf(url);
  if (flaw !== null) return [flaw, FLAW_REMEDY];
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) return ['is not an address of Redis', ADDRESS];
  const { hostname, pathname, search, hash, username, password } = new URL(url);
  if (hostname === '') return ['names no host', ADDRESS];
  // After a slash or a question mark in the password, the rest of it is no longer a part of the password.
  if (`${pathname}${search}${hash}`.includes('@')) return ["has an '@' behind its host", ADDRESS];
  if (search !== '' || hash !== '') return ["has a '?' or a '#' in it, but takes no parameters", ADDRESS];
  // A channel belongs to the whole server, whatever the number of the database is.
  if (!/^\/?\d*$/.test(pathname)) return ['has a path', ADDRESS];
  try {
    for (const part of [username, password]) decodeURIComponent(part);
    return null;
  } catch {
    return ["has a '%' that is not written as %25", ADDRESS];
  }
}

function redisOf(bus: unknown): string {
  const { redis, ...others } = objectOf('cluster.bus', bus, "give { redis: 'redis://HOST:6379' }, or leave it out");
  refuseUnknown('cluster.bus', others, 'redis');
  if (typeof redis !== 'string') throw new ChatOptionsError('cluster.bus.redis', 'is not a string', ADDRESS);
  const flaw = flawOfRedis(redis);
  if (flaw === null) return redis;
  throw new ChatOptionsError('cluster.bus.redis', ...flaw);
}

function objectOf(option: string, given: unknown, remedy: string): Record<string, unknown> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return { ...given };
  // A text may be an address with a password, and a list may contain one.
  const shown = typeof given === 'string' ? 'a string' : Array.isArray(given) ? 'a list' : inspect(given);
  throw new ChatOptionsError(option, `is ${shown}`, remedy);
}

function refuseUnknown(option: string, others: object, known: string): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new ChatOptionsError(`${option}.${unknown}`, 'is not known', `known is ${known}`);
}
