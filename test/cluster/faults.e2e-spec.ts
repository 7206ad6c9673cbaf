import { Cluster, startRedis } from '../support/cluster.js';
import { ClusterCrowd } from '../support/cluster-crowd.js';
import { FAULTS } from '../support/cluster-faults.js';
import { ClusterRecord } from '../support/cluster-record.js';
import { tableOf } from '../support/history.js';
import { SEED } from '../support/seed.js';

const ROUNDS = Number(process.env['CLUSTER_ROUNDS'] ?? 2);
/** `CLUSTER_BUS=Redis` leaves out the other. */
const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');
const NODES = Number(process.env['CLUSTER_NODES'] ?? 3);
/** `CLUSTER_FAULTS` has only the faults whose names match it. */
const CHOSEN = new RegExp(process.env['CLUSTER_FAULTS'] ?? '');
/** Rounds are made until so much time has passed, in minutes, instead of a number of them. */
const MINUTES = Number(process.env['CLUSTER_MINUTES'] ?? 0);
/** The option `record` is on with Redis and off with Postgres; `CLUSTER_RECORD` is 1 or 0 for both. */
const RECORD = process.env['CLUSTER_RECORD'];
/** What happens at every deploy and update comes first, so that the shortest run has it. */
const FIRST = ['SIGTERM of a node', 'kill -9 of a node'];
const HOUR_MS = 3_600_000;
/** The timeout of one round, in milliseconds. It is many times what a round takes. */
const ROUND_MS = 300_000 + 2 * Number(process.env['CLUSTER_STILL_MS'] ?? 0);
const FAULTLESS = { lost: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] };

describe('faults of a cluster under load', () => {
  let cluster: Cluster | undefined;
  let crowd: ClusterCrowd | undefined;
  let record: ClusterRecord | undefined;
  afterEach(async () => {
    crowd?.dismiss();
    await record?.dispose();
    await cluster?.dispose();
  });

  it.each(BUSES)(
    'break no receipt, no order and no book, and leave nobody connected twice, with %s as the bus',
    async (bus) => {
      const isRecorded = RECORD === undefined ? bus === 'Redis' : RECORD === '1';
      print(`TEST_SEED=${SEED} CLUSTER_ROUNDS=${ROUNDS} CLUSTER_NODES=${NODES} CLUSTER_BUS=${bus} repeats this.`);
      const redis = bus === 'Redis' && { redis: startRedis };
      cluster = await Cluster.start({
        nodes: NODES,
        clocksApartMs: HOUR_MS,
        ...redis,
        ...(isRecorded && ClusterRecord.settings),
      });
      record = isRecorded ? await ClusterRecord.begin(cluster, SEED) : undefined;
      crowd = new ClusterCrowd(cluster, SEED, isRecorded ? { sessions: 'multiple' } : {});
      const names = Object.keys(FAULTS).filter(
        (name) => CHOSEN.test(name) && (cluster!.redis || !name.includes('Redis')),
      );
      const end = performance.now() + MINUTES * 60_000;
      let round = 0;
      const others = names.filter((name) => !FIRST.includes(name));
      let left = [...crowd.faults.shuffled(others), ...FIRST.filter((name) => names.includes(name)).toReversed()];
      while (MINUTES > 0 ? performance.now() < end : round < ROUNDS) {
        const isHalfOver = MINUTES > 0 ? performance.now() > end - MINUTES * 30_000 : round >= ROUNDS / 2;
        if (isHalfOver) await record?.turnOff();
        round += 1;
        await crowd.goesOn(crowd.faults.between(50, 500));
        // Each once, in any order, before one comes again.
        if (left.length === 0) left = crowd.faults.shuffled(names);
        const name = left.pop()!;
        print(`round ${round}: ${name}`);
        await toldBy(cluster, FAULTS[name]!(cluster, crowd));
        expect(crowd.history.faultsSoFar).toEqual([]);
      }
      await toldBy(cluster, cluster.heal());
      await crowd.goesOn(100);
      await crowd.settle();
      const verdict = crowd.history.check();
      print(`${round} faults\n${tableOf(verdict)}`);
      expect(verdict).toMatchObject(FAULTLESS);
      expect(verdict.acknowledged).toBe(verdict.attempts);
      expect(verdict.delivered).toBeGreaterThan(0);
      expect(verdict.delivered).toBeLessThan(verdict.acknowledged);
      if (!record) return;
      const recorded = await record.check(crowd.history);
      print(JSON.stringify(recorded));
      expect(recorded).toMatchObject({ recorded: verdict.acknowledged, faults: [] });
    },
    MINUTES * 60_000 + (ROUNDS + 2) * ROUND_MS,
  );
});

/** When it fails, the error says how all nodes are. */
async function toldBy(cluster: Cluster, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Error(`${String(error)}\n${await cluster.report()}`, { cause: error });
  }
}

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
