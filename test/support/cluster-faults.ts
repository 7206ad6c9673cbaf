import type { Cluster } from './cluster.js';
import type { ClusterNode } from './cluster-process.js';
import type { ClusterCrowd } from './cluster-crowd.js';
import type { Random } from './crash-random.js';
import type { PostgresProxy } from './postgres-proxy.js';

/** What is done to a cluster: it resolves when the fault is over. */
export type Fault = (cluster: Cluster, crowd: ClusterCrowd) => Promise<void>;

/** `CLUSTER_STILL_MS` lets each fault last for so long. */
const LASTS_MS = Number(process.env['CLUSTER_STILL_MS'] ?? 0);
const lasting = (least: number, most: number) => ({ least: LASTS_MS || least, most: LASTS_MS || most });
/** How long a part stands still, in milliseconds: shorter and longer than it takes until others take over. */
const STILL_MS = lasting(500, 12_000);
/** How long a part is gone, in milliseconds. */
const GONE_MS = lasting(0, 3_000);
/** Others have taken over from a node by then, in milliseconds. */
const TAKEN_OVER_MS = 7_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const between = (random: Random, { least, most }: { least: number; most: number }) => random.between(least, most);

async function withNode(cluster: Cluster, random: Random, fault: (node: ClusterNode) => Promise<void>): Promise<void> {
  const { running } = cluster;
  if (running.length > 0) await fault(random.pick(running));
}

/** These networks of a node carry nothing, and nobody is told. */
async function cut(random: Random, networks: readonly (PostgresProxy | null)[]): Promise<void> {
  for (const network of networks) network?.silence();
  await pause(between(random, STILL_MS));
  for (const network of networks) network?.goOn();
}

/** A statement of a node is carried out, and the connection is reset instead of its answer. */
function resetAnswer(statement: string): Fault {
  return (cluster, { faults: random }) =>
    withNode(cluster, random, async ({ network: { postgres } }) => {
      postgres.failNext(statement, 'reset-answer');
      await pause(2_000);
      // A node that is started later may make it first, and would not start.
      postgres.spare();
    });
}

/** Every fault by its name. Those with a name of Redis need it as the bus. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'kill -9 of a node': (cluster, { faults: random }) =>
    withNode(cluster, random, async (node) => {
      await node.kill();
      await pause(between(random, GONE_MS));
      await node.start();
    }),
  'SIGTERM of a node': (cluster, { faults: random, history }) =>
    withNode(cluster, random, async (node) => {
      const code = await node.stop();
      if (code !== 0) history.unforeseen(`${node.name} ended with ${code}`);
      await node.start();
    }),
  'SIGSTOP of a node': (cluster, crowd) =>
    withNode(cluster, crowd.faults, async (node) => {
      node.freeze();
      const ms = between(crowd.faults, STILL_MS);
      await pause(ms / 2);
      // Whoever hears nothing goes elsewhere, and its connection there stays open.
      crowd.roam();
      await pause(ms / 2);
      node.thaw();
    }),
  'SIGSTOP of two nodes': async ({ running }, crowd) => {
    const [one, two] = crowd.faults.shuffled(running);
    for (const node of [one, two]) node?.freeze();
    const ms = between(crowd.faults, STILL_MS);
    await pause(ms / 2);
    crowd.roam();
    await pause(ms / 2);
    for (const node of [one, two]) node?.thaw();
  },
  'a node after the other is deployed': async (cluster, { history }) => {
    for (const node of cluster.running) {
      const code = await node.stop();
      if (code !== 0) history.unforeseen(`${node.name} ended with ${code}`);
      await node.start();
      await cluster.ready(node);
    }
  },
  'a node is cut from Postgres': (cluster, { faults: random }) =>
    withNode(cluster, random, ({ network }) => cut(random, [network.postgres])),
  'a node is cut from Redis': (cluster, { faults: random }) =>
    withNode(cluster, random, ({ network }) => cut(random, [network.redis])),
  'a node is cut from Redis and Postgres': (cluster, { faults: random }) =>
    withNode(cluster, random, ({ network }) => cut(random, [network.redis, network.postgres])),
  'the answer of a commit is reset': resetAnswer('INSERT INTO holdfast_offline_message'),
  // With the record on, messages are committed in a transaction, whose outcome is not known then.
  'the answer of a transaction is reset': resetAnswer('COMMIT'),
  'the answer of a beat is reset': resetAnswer('UPDATE holdfast_node SET beat'),
  'the answers of a takeover are reset': (cluster, { faults: random }) =>
    withNode(cluster, random, async (node) => {
      await node.kill();
      for (const { network } of cluster.running) network.postgres.failNext('COMMIT', 'reset-answer');
      await pause(TAKEN_OVER_MS);
      await node.start();
    }),
  'a restart of Postgres': async ({ postgres }, { faults: random }) => {
    await postgres.stop(random.pick(['SIGINT', 'SIGQUIT'] as const));
    await pause(between(random, GONE_MS));
    await postgres.run();
  },
  'SIGSTOP of Postgres': async ({ postgres }, { faults: random }) => {
    await postgres.freeze();
    await pause(between(random, STILL_MS));
    await postgres.thaw();
  },
  'a restart of Redis': async ({ redis }, { faults: random }) => {
    await redis?.stop();
    await pause(between(random, GONE_MS));
    await redis?.run();
  },
  'Redis is emptied': async ({ redis }) => redis?.empty(),
  'SIGSTOP of Redis': async ({ redis }, { faults: random }) => {
    redis?.freeze();
    await pause(between(random, STILL_MS));
    redis?.thaw();
  },
};
