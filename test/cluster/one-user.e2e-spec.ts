import { Cluster, startRedis } from '../support/cluster.js';
import { Random } from '../support/crash-random.js';
import { eventually } from '../support/deadline.js';
import { TestClient } from '../support/test-client.js';
import { SEED } from '../support/seed.js';

/** How often the user connects twice at once. */
const TIMES = Number(process.env['CLUSTER_TIMES'] ?? 50);
const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');

describe('a user who connects to two nodes at once', () => {
  let cluster: Cluster | undefined;
  afterEach(() => cluster?.dispose());

  it.each(BUSES)(
    'has one connection in the end, which gets all messages once, with %s as the bus',
    async (bus) => {
      const random = new Random(SEED);
      cluster = await Cluster.start({ nodes: 3, ...(bus === 'Redis' && { redis: startRedis }) });
      await cluster.heal();
      const open = (user: string) => TestClient.open(`${cluster!.address(random)}?user=${user}`, ['chat.v1.json']);
      const alice = await open('alice');
      for (let n = 1; n <= TIMES; n += 1) {
        // So many that none of them comes too often: the server would refuse more.
        const user = `bob-${n % 100}`;
        const pair = await Promise.all([open(user), open(user)]);
        await eventually(
          () => pair.filter(({ socket }) => socket.readyState === socket.OPEN).length === 1,
          () => `one of the connections of ${user} is closed, at ${n} with TEST_SEED=${SEED}; ${cluster!.logs}`,
        );
        const [stays, goes] = pair[0].socket.readyState === pair[0].socket.OPEN ? pair : pair.toReversed();
        await goes!.expectClose(4409);
        alice.sendJson('send', { id: `m-${n}`, to: user, content: String(n) });
        expect(await stays!.until('message')).toMatchObject({ data: { id: `m-${n}` } });
        stays!.sendJson('ack', { seq: 1 });
        // On a busy machine it is stored before it is confirmed.
        expect((await alice.until('receipts')).data).toMatchObject([{ id: `m-${n}` }]);
        await stays!.close();
      }
      await alice.close();
      expect(await cluster.metric('holdfast_cluster_outstanding_sends')).toBe(0);
      await cluster.books();
    },
    60_000 + TIMES * 1_000,
  );
});
