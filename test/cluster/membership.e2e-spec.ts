import { jest } from '@jest/globals';
import { Lease } from '../../src/cluster/lease.js';
import { SLOTS } from '../../src/offline-messages/slot.js';
import type { Timings } from '../../src/cluster/timings.js';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { World, type Member } from '../support/cluster-members.js';
import { OWN_CLOCK, WorldTime } from '../support/cluster-time.js';
import { catchLogLines } from '../support/log-lines.js';
import { PostgresProxy } from '../support/postgres-proxy.js';
import { PostgresServer } from '../support/postgres-server.js';
import { SEED } from '../support/seed.js';

let server: PostgresServer;
let url: string;
beforeAll(async () => {
  server = await PostgresServer.start();
  url = await server.createDatabase();
  await (await openStore(storeOptions(url), { id: null })).destroy();
  await server.query(OWN_CLOCK, url);
});
afterAll(() => server.dispose());

/** Many times what a test takes on a machine that does nothing else, in milliseconds. */
jest.setTimeout(300_000);

let time: WorldTime;
let world: World;
beforeEach(async () => {
  // One database for all tests: with little to write, Postgres is restarted quickly.
  for (const table of ['holdfast_node', 'holdfast_cluster']) await server.query(`DELETE FROM ${table}`, url);
  await server.query('UPDATE holdfast_slot SET node = NULL, wanted = NULL', url);
  time = await WorldTime.start(url);
  world = new World(url, time);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await world.close();
  await time.close();
});

const startAll = async (count: number): Promise<Member[]> => {
  const members: Member[] = [];
  for (let n = 0; n < count; n += 1) members.push(await world.start());
  await world.untilEven();
  return members;
};

describe('a node that joins', () => {
  it('has all slots when it is the first', async () => {
    const one = await world.start();
    await world.untilEven();
    expect(one.serving.size).toBe(SLOTS);
    expect(one.membership.view.nodes).toEqual([{ id: one.id, isLeaving: false, release: '1.0.0' }]);
    expect(one.membership.view.owners.every((owner) => owner === one.id)).toBe(true);
  });

  it('shares the secret of the cluster, which stays', async () => {
    const [one, two] = await startAll(2);
    expect(one!.secret!.key).toHaveLength(32);
    expect(two!.secret).toEqual(one!.secret);
    await Promise.all([one!.membership.close(), two!.membership.close()]);
    const three = await world.start();
    expect(three.secret).toEqual(one!.secret);
    expect(three.id).toBeGreaterThan(two!.id);
  });

  it('gets its share when two start at the same moment', async () => {
    const members = [world.add(), world.add()];
    const secrets = await Promise.all(members.map(({ membership }) => membership.join()));
    expect(secrets[0]).toEqual(secrets[1]);
    for (const { membership } of members) membership.begin();
    await world.untilEven();
  });

  it('gets its share from nodes that serve, sixteen slots at a time', async () => {
    const one = await world.start({ slotsAtOnce: 16 });
    await world.untilEven();
    await world.start({ slotsAtOnce: 16 });
    await world.untilEven();
    expect([one.mostAsked, one.fencings]).toEqual([16, 0]);
  });

  it('has nothing before it begins', async () => {
    const one = await world.start();
    const two = world.add();
    await two.membership.join();
    await world.until(() => one.membership.view.nodes.length === 2 && two.membership.holdsLease);
    await world.untilEven([one]);
    expect([two.membership.state, two.serving.size]).toEqual(['joined', 0]);
    two.membership.begin();
    await world.untilEven([one, two]);
  });

  it('sees nothing of a cluster in another schema of the database', async () => {
    const inSchema = `${url}&schema=other`;
    await (await openStore(storeOptions(inSchema), { id: null })).destroy();
    const one = await world.start();
    const other = new World(inSchema, time);
    const two = await other.start();
    await world.untilEven();
    await other.untilEven();
    expect([one, two].map(({ membership }) => membership.view.nodes.length)).toEqual([1, 1]);
    expect(two.secret!.key).not.toEqual(one.secret!.key);
    await other.close();
  });

  it('is refused when it has other sessions than the others, and told how to change them', async () => {
    const one = await world.start();
    await expect(world.start({}, { sessions: 'multiple' })).rejects.toThrow(
      "This node has sessions: 'multiple', and the others of the cluster have 'replace'; give all the same. To change it, stop all nodes first.",
    );
    await one.membership.close();
    await world.start({}, { sessions: 'multiple' });
  });

  it('names options that differ, in one line', async () => {
    await world.start({}, { options: { ackWindow: 256, maxPending: 10, retention: null } });
    const lines = catchLogLines();
    await world.start({}, { options: { ackWindow: 128, maxPending: 10, retention: 5 } });
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      'warn Membership: These options are not the same at all nodes: ackWindow, retention; for each recipient those of one node count. Give all the same when the deploy is over.',
    ]);
  });

  it('knows the time of Postgres, whatever its own clock says', async () => {
    const one = world.add();
    jest.spyOn(one.clock, 'now').mockReturnValue(0);
    await one.membership.join();
    await world.until(() => one.membership.holdsLease);
    const [row] = await time.query<{ now: number }>(
      'SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS double precision) AS now',
    );
    expect(one.membership.databaseNow()).toEqual({ at: row!.now, errorMs: 0 });
  });
});

describe('a node that leaves', () => {
  it('hands over everything, and is gone when it has', async () => {
    const [one, two, three] = await startAll(3);
    await world.during(two!.membership.leave());
    expect(two!.serving.size).toBe(0);
    expect(two!.membership.view.nodes).toContainEqual({ id: two!.id, isLeaving: true, release: '1.0.0' });
    await two!.membership.close();
    await world.untilEven([one!, three!]);
    await world.until(() => one!.membership.view.nodes.length === 2);
  });

  it('does not wait when nobody is there', async () => {
    const [one] = await startAll(1);
    await world.during(one!.membership.leave());
    expect(one!.serving.size).toBe(SLOTS);
    await one!.membership.close();
    const two = await world.start();
    await world.untilEven([two]);
  });

  it('hands over to those who stay what was meant for one that leaves as well', async () => {
    const [one, two] = await startAll(2);
    one!.isObliging = false;
    const asked = new Set<number>();
    one!.membership.asked.on((slots) => slots.forEach((slot) => asked.add(slot)));
    const three = await world.start();
    await world.until(() => asked.size > 0);
    const left = [one!.membership.leave(), three.membership.leave()];
    await world.until(() => asked.size === one!.serving.size);
    await world.during(one!.handOver([...asked]));
    await world.during(Promise.all(left));
    await world.untilEven([two!]);
    expect([one!, three].map(({ serving }) => serving.size)).toEqual([0, 0]);
  });
});

describe('a node that dies', () => {
  it('is taken over from as soon as its sessions have ended and it is silent', async () => {
    const [one, two, three] = await startAll(3);
    await two!.die();
    await world.untilEven([one!, three!]);
    const nodes = [{ id: one!.id }, { id: three!.id }];
    expect(one!.membership.view.nodes).toMatchObject(nodes);
  });

  it('does not make the others wait for its beats to be old', async () => {
    const members = [await world.start({ overdueMs: 1e9 }), await world.start({ overdueMs: 1e9 })];
    await world.untilEven();
    await members[1]!.die();
    await world.untilEven([members[0]!]);
    expect(members[0]!.serving.size).toBe(SLOTS);
  });

  it('is replaced by whoever comes, when all have died', async () => {
    const members = await startAll(2);
    await Promise.all(members.map((member) => member.die()));
    const three = await world.start();
    await world.untilEven([three]);
    expect(three.membership.view.nodes).toHaveLength(1);
  });
});

describe('a node that is stopped', () => {
  it('is taken over from when its last beat is old, and comes back with a new id and nothing', async () => {
    const [one, two] = await startAll(2);
    const before = two!.id;
    two!.clock.stop();
    one!.cut(two!);
    await world.until(() => one!.serving.size === SLOTS);
    expect(two!.fencings).toBe(0);
    two!.clock.goOn();
    one!.join(two!);
    await world.until(() => two!.fencings === 1);
    await world.untilEven();
    expect(two!.id).toBeGreaterThan(before);
  });
});

describe('a node that was taken over and may not come back', () => {
  it('asks less and less often, says it once a minute, and is back when the others are gone', async () => {
    const one = await world.start();
    await world.untilEven();
    one.stop();
    await world.endSessions(one);
    await world.passes(7_000);
    const other = world.add({}, { sessions: 'multiple' });
    other.cut(one);
    await other.membership.join();
    other.membership.begin();
    await world.until(() => other.serving.size === SLOTS);
    one.goOn();
    await world.until(() => one.fencings === 1);
    const lines = catchLogLines();
    const [before] = await time.query<{ id: string }>(`SELECT nextval('holdfast_node_id') AS id`);
    await world.passes(60_000);
    const [after] = await time.query<{ id: string }>(`SELECT nextval('holdfast_node_id') AS id`);
    // Every 10 s in the end, and a few times before.
    expect(Number(after!.id) - Number(before!.id)).toBeLessThan(15);
    expect(lines.filter((line) => line.includes("has sessions: 'replace'")).length).toBeLessThanOrEqual(2);
    await world.during(other.membership.close());
    await world.untilEven([one]);
  });
});

describe('a node that has to wait for a lock', () => {
  it('says so in its own words, and goes on when it has it', async () => {
    const [one] = await startAll(2);
    const lines = catchLogLines();
    const lock = '(1075691941, (SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema()))';
    await time.query(`SELECT pg_advisory_lock${lock}`);
    const left = one!.membership.leave();
    await world.until(() => lines.length > 0);
    await time.query(`SELECT pg_advisory_unlock${lock}`);
    await world.during(left);
    expect(lines[0]).toMatch(
      /^warn Membership: Node \d+ can't change the list of nodes yet: another session holds a lock that it needs \(.*lock timeout\)\. It keeps its slots and tries again\.$/,
    );
    expect(one!.fencings).toBe(0);
  });
});

describe('a lost session', () => {
  it('is renewed by a node, which stays what it was', async () => {
    const [one, two] = await startAll(2);
    const ids = [one!.id, two!.id];
    for (let n = 0; n < 3; n += 1) {
      await world.until(async () => (await world.endSessions(one!)) === 1);
    }
    await world.until(() => one!.membership.holdsLease);
    expect([one!.id, two!.id]).toEqual(ids);
    expect(one!.fencings).toBe(0);
  });
});

const restart = async (whileAway: () => Promise<void> = () => Promise.resolve()) => {
  await server.stop();
  await whileAway();
  await server.run();
};

describe('Postgres', () => {
  it('is restarted without anybody taking over from anybody', async () => {
    const members = [await world.start(), await world.start(), await world.start()];
    await world.untilEven();
    const ids = members.map(({ id }) => id);
    for (const [n, one] of members.entries()) for (const other of members.slice(n + 1)) one.cut(other);
    await restart(() => world.passes(20_000));
    await world.until(() => members.every(({ membership }) => membership.holdsLease));
    for (const [n, one] of members.entries()) for (const other of members.slice(n + 1)) one.join(other);
    await world.start();
    await world.untilEven();
    expect(members.map(({ id }) => id)).toEqual(ids);
  });

  it('is away for long, and nodes that hear each other go on', async () => {
    const members = [await world.start(), await world.start()];
    await world.untilEven();
    await restart(async () => {
      const end = time.monotonic() + 20_000;
      await world.until(() => {
        expect(members.map(({ membership }) => membership.holdsLease)).toEqual([true, true]);
        return time.monotonic() > end;
      });
    });
    await world.start();
    await world.untilEven();
    expect(members.map(({ fencings }) => fencings)).toEqual([0, 0]);
  });

  it('is away, and a node that knows of no other stops when its lease ends', async () => {
    const [one] = await startAll(1);
    await restart(() => world.until(() => !one!.membership.holdsLease));
    await world.until(() => one!.membership.holdsLease);
    expect(one!.fencings).toBe(0);
  });

  it('is away, and a node stops when another one knows more than it', async () => {
    const [one, two] = await startAll(2);
    await restart(async () => {
      await world.until(() => one!.membership.view.version > 0);
      jest.spyOn(one!, 'newestVersion', 'get').mockReturnValue(1e9);
      await world.until(() => !one!.membership.holdsLease);
      expect(two!.membership.holdsLease).toBe(true);
      jest.restoreAllMocks();
    });
    await world.untilEven();
  });
});

/** Starts a node behind a network of its own. */
const startBehind = (proxy: PostgresProxy, timings: Partial<Timings> = {}) =>
  world.start(timings, {}, server.url(new URL(url).pathname.slice(1), proxy));

/** Its network drops everything, so nobody waits for what it asks. */
const silence = (proxy: PostgresProxy, { sessions }: Member) => {
  proxy.silence();
  sessions.isCutOff = true;
};

const goOn = (proxy: PostgresProxy, { sessions }: Member) => {
  proxy.goOn();
  sessions.isCutOff = false;
};

describe('a node that is cut off from Postgres alone', () => {
  let proxy: PostgresProxy;
  let cutOff: Member;
  beforeEach(async () => {
    proxy = await PostgresProxy.start(server.socket);
    cutOff = await startBehind(proxy);
  });
  afterEach(() => proxy.close());

  it('goes on while it is heard, yields when it is asked, and comes back', async () => {
    const [one] = [await world.start()];
    await world.untilEven();
    const yields = jest.spyOn(cutOff.membership, 'yield');
    const before = cutOff.id;
    silence(proxy, cutOff);
    await world.until(() => yields.mock.results.some(({ value }) => value === true));
    await world.until(() => one.serving.size === SLOTS);
    expect(cutOff.fencings).toBe(1);
    goOn(proxy, cutOff);
    await world.untilEven();
    expect(cutOff.id).toBeGreaterThan(before);
  });

  it('is not asked to yield while its beats arrive', async () => {
    const one = await world.start();
    await world.untilEven();
    expect(await one.askToYield(cutOff.id)).toBe(false);
    expect(cutOff.fencings).toBe(0);
  });

  it('stops before another node begins when nobody hears it either', async () => {
    const one = await world.start();
    await world.untilEven();
    one.cut(cutOff);
    silence(proxy, cutOff);
    await world.until(() => one.serving.size === SLOTS);
    expect(cutOff.membership.holdsLease).toBe(false);
    expect(cutOff.fencings).toBe(0);
    goOn(proxy, cutOff);
    one.join(cutOff);
    await world.untilEven();
    expect(cutOff.fencings).toBe(1);
  });

  it('stops with its session when nobody hears it, as its lock is free then', async () => {
    const one = await world.start({ overdueMs: 1e9 });
    await world.untilEven();
    one.cut(cutOff);
    await proxy.hangUp();
    await world.until(() => one.serving.size === SLOTS);
    expect(cutOff.membership.holdsLease).toBe(false);
    goOn(proxy, cutOff);
    one.join(cutOff);
    await world.untilEven();
  });

  it('learns from the end of its session that a beat was answered with its takeover', async () => {
    const one = await world.start();
    await world.untilEven();
    proxy.failNext('UPDATE holdfast_node SET beat', 'reset-answer');
    await world.until(() => proxy.mishaps === 1);
    await world.untilEven([one, cutOff]);
    expect([one.fencings, cutOff.fencings]).toEqual([0, 0]);
  });

  it('gives slots once, however often the answer is lost', async () => {
    proxy.failNext('pg_notify', 'reset-answer');
    const one = await world.start();
    await world.untilEven([one, cutOff]);
    expect([one.fencings, cutOff.fencings, proxy.mishaps]).toEqual([0, 0, 1]);
  });
});

describe('nodes that do not hear each other, but beat', () => {
  it('lose the one that hears nobody, which comes back when it hears all', async () => {
    const [one, two, three] = await startAll(3);
    one!.cut(two!);
    one!.cut(three!);
    await world.untilEven([two!, three!]);
    expect(one!.membership.state).toBe('aside');
    one!.join(two!);
    one!.join(three!);
    await world.untilEven([one!, two!, three!]);
    expect(one!.membership.state).toBe('member');
    expect(one!.fencings).toBe(0);
  });

  it('are one in the end when nobody hears anybody', async () => {
    const [one, two, three] = await startAll(3);
    one!.cut(two!);
    one!.cut(three!);
    two!.cut(three!);
    await world.until(() => one!.serving.size === SLOTS);
    expect([two!.membership.state, three!.membership.state]).toEqual(['aside', 'aside']);
    await world.during(two!.membership.leave());
  });
});

describe('without a rule, this suite finds two homes of a slot:', () => {
  let proxy: PostgresProxy;
  beforeEach(async () => {
    proxy = await PostgresProxy.start(server.socket);
  });
  afterEach(async () => {
    world.conflicts = 0;
    await proxy.close();
  });
  /** What is to be found once another node serves all: without the rule, within the deadline. */
  const findsConflict = async (rule: string): Promise<boolean> => {
    if (rule === 'removed') await world.until(() => world.conflicts > 0);
    return world.conflicts > 0;
  };

  it('a lease ends before others take over', async () => {
    const one = await world.start();
    const cutOff = await startBehind(proxy, { leaseMs: 1e9 });
    await world.untilEven();
    one.cut(cutOff);
    silence(proxy, cutOff);
    expect(await findsConflict('removed')).toBe(true);
  });

  it.each(['kept', 'removed'])('a lease ends with its session (%s)', async (rule) => {
    if (rule === 'removed') jest.spyOn(Lease.prototype, 'end').mockReturnValue(undefined);
    const one = await world.start();
    const cutOff = await startBehind(proxy, { leaseMs: 1e9 });
    await world.untilEven();
    one.cut(cutOff);
    await proxy.hangUp();
    await world.until(() => one.serving.size === SLOTS);
    expect(await findsConflict(rule)).toBe(rule === 'removed');
  });

  it.each(['kept', 'removed'])(
    'a node that is heard has to yield, or to learn of a newer version (%s)',
    async (rule) => {
      const one = await world.start();
      const cutOff = await startBehind(proxy);
      await world.untilEven();
      jest.spyOn(one, 'askToYield').mockResolvedValue(true);
      if (rule === 'removed') jest.spyOn(cutOff, 'newestVersion', 'get').mockReturnValue(0);
      silence(proxy, cutOff);
      await world.until(() => one.serving.size === SLOTS);
      expect(await findsConflict(rule)).toBe(rule === 'removed');
    },
  );

  it.each([
    ['nobody', 3_000],
    ['living nodes', 0],
  ])('after a restart of Postgres it is %s who are taken over from when one waits %i ms', async (_, steadyMs) => {
    const [one, two] = [await world.start({ steadyMs }), await world.start({ steadyMs })];
    await world.untilEven();
    one.cut(two);
    two.clock.stop();
    await restart(() => world.passes(20_000));
    await world.until(() => one.membership.holdsLease);
    if (steadyMs === 0) await world.until(() => one.serving.size === SLOTS);
    two.clock.goOn();
    one.join(two);
    await world.untilEven();
    expect(two.fencings).toBe(steadyMs === 0 ? 1 : 0);
  });
});

describe('any number of joins, leaves, deaths, stops, lost sessions and deaf nodes', () => {
  const SEEDS = Number(process.env['CLUSTER_SEEDS'] ?? 5);

  it.each(Array.from({ length: SEEDS }, (_, n) => SEED + n))(
    'leave each slot with one home at most, and with one in the end (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
      for (let n = 0; n < 3; n += 1) await world.start();
      for (let step = 0; step < 25; step += 1) {
        const able = world.living.filter(({ isStopped }) => !isStopped);
        const [one, other] = [pick(able), pick(world.living)];
        const faults: (() => Promise<unknown> | void)[] = [
          () => (world.living.length < 5 ? world.start() : undefined),
          () => world.during(one.membership.leave()).then(() => one.membership.close()),
          () => one.membership.close(),
          () => one.die(),
          () => world.endSessions(one),
          () => one.stop(),
          () => {
            one.stop();
            return world.untilGone(one);
          },
          () => other.goOn(),
          () => (one === other ? undefined : one.cut(other)),
          () => (one === other ? undefined : one.join(other)),
          () => world.untilChanged(one),
          () => world.passes(random() * 10_000),
        ];
        if (able.length < 2) await world.start();
        else await pick(faults)();
      }
      for (const one of world.living) one.goOn();
      for (const one of world.living) for (const other of world.living) if (one !== other) one.join(other);
      await world.untilEven();
      const rows = (await server.query('SELECT node, wanted FROM holdfast_slot ORDER BY slot', url)) as {
        node: string;
        wanted: string | null;
      }[];
      const served = Array.from({ length: SLOTS }, (_, slot) => world.living.find(({ serving }) => serving.has(slot))!);
      expect(rows.map(({ node, wanted }) => [Number(node), wanted])).toEqual(served.map(({ id }) => [id, null]));
    },
  );
});

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
