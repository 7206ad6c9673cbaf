import { Cluster, startRedis } from '../support/cluster.js';
import { ClusterCrowd } from '../support/cluster-crowd.js';
import { FAULTS } from '../support/cluster-faults.js';
import { tableOf } from '../support/history.js';
import { SEED } from '../support/seed.js';

const ROUNDS = Number(process.env['CLUSTER_ROUNDS'] ?? 1);
/** `CLUSTER_BUS=Redis` leaves out the other. */
const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');
/** The timeout of one deploy of three nodes, in milliseconds. */
const ROUND_MS = 300_000;
/** A busy machine confirms and closes late, and that is no fault. */
const PATIENT = { CHAT_PERSIST_AFTER_MS: process.env['CLUSTER_PERSIST_AFTER_MS'] ?? '3000', CHAT_DRAIN_MS: '60000' };
/** What the server closes a connection with when its node stops. */
const GOING_AWAY = [1001];

describe('a rolling deploy under load', () => {
  let cluster: Cluster | undefined;
  let crowd: ClusterCrowd | undefined;
  afterEach(async () => {
    crowd?.dismiss();
    await cluster?.dispose();
  });

  it.each(BUSES)(
    'loses nothing, repeats nothing to clients that confirm at once, and cuts nobody off, with %s as the bus',
    async (bus) => {
      cluster = await Cluster.start({ nodes: 3, ...(bus === 'Redis' && { redis: startRedis }), env: PATIENT });
      await cluster.heal();
      crowd = new ClusterCrowd(cluster, SEED, { habits: Array(8).fill('prompt'), foreseen: GOING_AWAY });
      for (let round = 1; round <= ROUNDS; round += 1) {
        await crowd.goesOn(100);
        await FAULTS['a node after the other is deployed']!(cluster, crowd);
        expect(crowd.history.faultsSoFar).toEqual([]);
      }
      await crowd.settle();
      const verdict = crowd.history.check();
      process.stdout.write(`${ROUNDS} deploys, TEST_SEED=${SEED}\n${tableOf(verdict)}`);
      expect(verdict).toMatchObject({ lost: 0, duplicated: 0, unexpected: 0, reordered: 0, refused: 0, faults: [] });
      expect(verdict.acknowledged).toBe(verdict.attempts);
    },
    60_000 + ROUNDS * ROUND_MS,
  );
});
