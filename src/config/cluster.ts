import { flawOfRedis, type ClusterSettings } from '../cluster/cluster.options.js';
import { EnvironmentError } from './environment-error.js';

/** Every variable that this file reads. */
export const CLUSTER_VARIABLES = ['CHAT_CLUSTER', 'CHAT_BUS_URL'] as const;

const IS_NODE: Readonly<Record<string, boolean>> = { '1': true, true: true, '0': false, false: false };

/**
 * Returns the settings of a node; null when this process is the only server of its database. Throws an EnvironmentError, also when the store
 * can't be shared by nodes.
 */
export function readCluster(given: Readonly<Record<string, string>>, databaseUrl: string): ClusterSettings | null {
  const { CHAT_CLUSTER: cluster = '0', CHAT_BUS_URL: redis } = given;
  const isNode = Object.hasOwn(IS_NODE, cluster) ? IS_NODE[cluster]! : null;
  if (isNode === null) throw new EnvironmentError(`CHAT_CLUSTER is '${cluster}'; give 1, or leave it out.`);
  if (!isNode && redis !== undefined) {
    throw new EnvironmentError(
      'CHAT_BUS_URL is given, but CHAT_CLUSTER is not; set CHAT_CLUSTER=1 for a node of a cluster, or leave both out.',
    );
  }
  if (!isNode) return null;
  if (!/^postgres(ql)?:/.test(databaseUrl)) {
    throw new EnvironmentError(
      'CHAT_CLUSTER is 1, but the store is not on Postgres; give DATABASE_URL=postgres://…, the same for all nodes, as a store on SQLite is for one server.',
    );
  }
  const flaw = redis === undefined ? null : flawOfRedis(redis);
  if (flaw !== null) {
    const orElse = flaw[1].startsWith('give redis') ? ', or leave it out for a bus over Postgres' : '';
    throw new EnvironmentError(`CHAT_BUS_URL ${flaw[0]}; ${flaw[1]}${orElse}.`);
  }
  return { redis: redis ?? null };
}
