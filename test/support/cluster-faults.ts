import type { Cluster, ClusterNode } from './cluster.js';
import type { ClusterCrowd } from './cluster-crowd.js';
import type { Random } from './crash-random.js';

/** What is done to a cluster: it resolves when the fault is over. */
export type Fault = (cluster: Cluster, crowd: ClusterCrowd) => Promise<void>;

/** How long a part stands still, in milliseconds: shorter and longer than it takes until others take over. */
const STILL_MS = { least: 500, most: 12_000 };
/** How long a part is gone, in milliseconds. */
const GONE_MS = { least: 0, most: 3_000 };

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const between = (random: Random, { least, most }: { least: number; most: number }) => random.between(least, most);

async function withNode(cluster: Cluster, random: Random, fault: (node: ClusterNode) => Promise<void>): Promise<void> {
  const { running } = cluster;
  if (running.length > 0) await fault(random.pick(running));
}

/** Every fault by its name. */
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
  'SIGSTOP of Redis': async ({ redis }, { faults: random }) => {
    redis?.freeze();
    await pause(between(random, STILL_MS));
    redis?.thaw();
  },
};
