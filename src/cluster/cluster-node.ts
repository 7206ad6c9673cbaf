import type { DataSourceOptions } from 'typeorm';
import type { ChatOptions } from '../options/chat.options.js';
import { BusLinks } from './bus-links.js';
import type { Bus } from './bus.js';
import { Calls } from './calls.js';
import type { ClusterSettings } from './cluster.options.js';
import type { Links } from './link.js';
import type { ClusterSecret, Membership, Peers } from './membership.js';
import { NodeMembership } from './node-membership.js';
import { PostgresBus } from './postgres-bus.js';
import { RedisBus } from './redis-bus.js';
import { Seal } from './seal.js';

/** What makes this process a node: its place in the cluster, and its ways to the other nodes. */
export interface ClusterNode {
  readonly membership: Membership;
  readonly links: Links;
  readonly calls: Calls;
}

/** Options that count at the home of a user. They may differ while a deploy runs, and no longer. */
const OF_THE_HOME = [
  'ackWindow',
  'persistAfterMs',
  'retentionMs',
  'overflow',
  'maxPendingPerUser',
  'maxPendingBytesPerUser',
  'maxPendingPerSender',
  'maxStoredBytesPerSender',
] as const satisfies readonly (keyof ChatOptions)[];

/** What membership asks before there are links: whoever has just joined hears nobody. */
class PeersOfNode implements Peers {
  node: ClusterNode | null = null;

  silenceOf(id: number): number {
    return this.node?.links.silenceOf(id) ?? Infinity;
  }

  get newestVersion(): number {
    return this.node?.links.newestVersion ?? 0;
  }

  async askToYield(id: number): Promise<boolean> {
    return (await this.node?.calls.call(id, 'yield', null)) === true;
  }
}

/**
 * Joins the cluster on this database, whose store is open. Rejects with a StoreError, for the operator, when that is not
 * possible.
 */
export async function joinCluster(
  database: DataSourceOptions,
  { redis }: ClusterSettings,
  options: ChatOptions,
  release: string,
): Promise<ClusterNode> {
  const { clock, sessions, record } = options;
  const recordMs = record?.keepMs ?? null;
  const peers = new PeersOfNode();
  const shown = Object.fromEntries(OF_THE_HOME.map((name) => [name, options[name]]));
  const membership = new NodeMembership(database, { release, sessions, recordMs, options: shown }, peers, clock);
  const secret = await membership.join();
  try {
    const links = new BusLinks(await openBus(database, redis, secret, options), new Seal(secret.key, secret.id), clock);
    const calls = new Calls(membership, links, clock);
    calls.register('yield', () => membership.yield());
    return (peers.node = { membership, links, calls });
  } catch (error) {
    await membership.close();
    throw error;
  }
}

async function openBus(
  database: DataSourceOptions,
  redis: string | null,
  { id }: ClusterSecret,
  { clock }: ChatOptions,
): Promise<Bus> {
  return redis === null ? new PostgresBus(database, id, clock) : RedisBus.create(redis, id, clock);
}
