import { Cluster, startRedis } from '../support/cluster.js';
import { ClusterCrowd } from '../support/cluster-crowd.js';
import { FAULTS } from '../support/cluster-faults.js';
import { tableOf } from '../support/history.js';

const SEED = Number(process.env['CLUSTER_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const ROUNDS = Number(process.env['CLUSTER_ROUNDS'] ?? 3);
/** `CLUSTER_BUS=Redis` leaves out the other. */
const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');
const NODES = Number(process.env['CLUSTER_NODES'] ?? 3);
/** The timeout of one round, in milliseconds. It is many times what a round takes. */
const ROUND_MS = 90_000;
const FAULTLESS = { lost: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] };

describe('faults of a cluster under load', () => {
  beforeAll(() => print(`CLUSTER_SEED=${SEED} CLUSTER_ROUNDS=${ROUNDS} CLUSTER_NODES=${NODES} repeats these faults.`));

  let cluster: Cluster | undefined;
  let crowd: ClusterCrowd | undefined;
  afterEach(async () => {
    crowd?.dismiss();
    await cluster?.dispose();
  });

  it.each(BUSES)(
    'break no receipt, no order and no book, and leave nobody connected twice, with %s as the bus',
    async (bus) => {
      cluster = await Cluster.start({ nodes: NODES, ...(bus === 'Redis' && { redis: startRedis }) });
      crowd = new ClusterCrowd(cluster, SEED);
      const names = Object.keys(FAULTS).filter((name) => cluster!.redis || !name.includes('Redis'));
      for (let round = 1; round <= ROUNDS; round += 1) {
        await crowd.goesOn(crowd.faults.between(50, 500));
        const name = crowd.faults.pick(names);
        print(`round ${round}: ${name}`);
        await FAULTS[name]!(cluster, crowd);
        expect(crowd.history.faultsSoFar).toEqual([]);
      }
      await cluster.heal();
      await crowd.goesOn(100);
      await crowd.settle();
      const verdict = crowd.history.check();
      print(`${ROUNDS} faults\n${tableOf(verdict)}`);
      expect(verdict).toMatchObject(FAULTLESS);
      expect(verdict.acknowledged).toBe(verdict.attempts);
      expect(verdict.delivered).toBeGreaterThan(0);
      expect(verdict.delivered).toBeLessThan(verdict.acknowledged);
    },
    60_000 + ROUNDS * ROUND_MS,
  );
});

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
