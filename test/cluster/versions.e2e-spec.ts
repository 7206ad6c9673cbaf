import { Cluster, startRedis } from '../support/cluster.js';
import { ClusterCrowd } from '../support/cluster-crowd.js';
import type { ClusterNode } from '../support/cluster-process.js';
import { tableOf } from '../support/history.js';
import { NewerVersion } from '../support/newer-version.js';
import { SEED } from '../support/seed.js';

/** `CLUSTER_BUS=Redis` leaves out the other. */
const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');
/** A busy machine confirms and closes late, and that is no fault. */
const PATIENT = { CHAT_PERSIST_AFTER_MS: process.env['CLUSTER_PERSIST_AFTER_MS'] ?? '3000', CHAT_DRAIN_MS: '60000' };
/** What the server closes a connection with when its node stops. */
const GOING_AWAY = [1001];

describe('two versions side by side', () => {
  let cluster: Cluster | undefined;
  let crowd: ClusterCrowd | undefined;
  let newer: NewerVersion;
  beforeAll(async () => void (newer = await NewerVersion.make()));
  afterAll(() => newer.dispose());
  afterEach(async () => {
    crowd?.dismiss();
    await cluster?.dispose();
  });

  async function deploy(node: ClusterNode, program: readonly string[] | undefined): Promise<void> {
    expect(await node.stop()).toBe(0);
    node.program = program;
    await node.start();
    await cluster!.ready(node);
    await crowd!.goesOn(50);
  }

  it.each(BUSES)(
    'lose and repeat nothing when one is deployed and taken back half-way, and when it is deployed, with %s as the bus',
    async (bus) => {
      cluster = await Cluster.start({ nodes: 3, ...(bus === 'Redis' && { redis: startRedis }), env: PATIENT });
      await cluster.heal();
      crowd = new ClusterCrowd(cluster, SEED, { habits: Array(8).fill('prompt'), foreseen: GOING_AWAY });
      await crowd.goesOn(100); // A handshake that a stopping node does not finish is no connection that was cut off.
      const [one, two, three] = cluster.nodes as readonly [ClusterNode, ClusterNode, ClusterNode];
      await deploy(one, newer.program);
      await deploy(two, newer.program);
      await deploy(three, undefined); // It starts behind the migration of the newer version.
      expect(three.log).toContain('AdditiveStars9999999999999');
      await deploy(one, undefined);
      for (const node of [one, three]) await deploy(node, newer.program);
      await crowd.settle();
      const verdict = crowd.history.check();
      process.stdout.write(`TEST_SEED=${SEED}\n${tableOf(verdict)}`);
      expect(verdict).toMatchObject({ lost: 0, duplicated: 0, unexpected: 0, reordered: 0, refused: 0, faults: [] });
    },
    600_000,
  );
});
