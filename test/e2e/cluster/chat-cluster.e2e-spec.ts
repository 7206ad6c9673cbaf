import { jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { ChatApp } from '../../support/chat-app.js';
import { ChatCluster } from '../../support/chat-cluster.js';
import { PostgresProxy } from '../../support/postgres-proxy.js';
import { PostgresServer } from '../../support/postgres-server.js';
import { RedisServer } from '../../support/redis-server.js';

jest.setTimeout(120_000);

let postgres: PostgresServer;
let redis: RedisServer;
let redisPort: number;

/** The option takes addresses of TCP. */
async function startRedis(): Promise<RedisServer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  redisPort = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  return RedisServer.start('--port', String(redisPort), '--bind', '127.0.0.1');
}

beforeAll(async () => {
  [postgres, redis] = await Promise.all([PostgresServer.start(), startRedis()]);
});
afterAll(async () => {
  await Promise.all([postgres.dispose(), redis.dispose()]);
});

describe.each([
  ['Redis', () => `redis://127.0.0.1:${redisPort}`],
  ['Postgres', () => null],
])('three nodes whose bus is %s', (_bus, address) => {
  let cluster: ChatCluster;
  beforeAll(async () => {
    // A confirmation that comes late, over the bus of a busy machine, still makes a message `delivered`.
    const patient = { heartbeatMs: 600_000, persistAfterMs: 2_000 };
    cluster = new ChatCluster(await postgres.createDatabase(), address(), patient);
    await cluster.start(3);
  });
  afterAll(() => cluster.dispose());

  const each = () => cluster.nodes as [ChatApp, ChatApp, ChatApp];

  it('deliver to a user on another node, whichever node is the home, and receipt it', async () => {
    const [one, two, three] = each();
    for (const home of [one, two, three]) {
      const [alice, bob] = [cluster.userAt(home, 'alice'), cluster.userAt(home, 'bob')];
      const sender = await one.connectJson(alice);
      const reader = await two.connectJson(bob);
      await reader.nextJson('caught-up');
      sender.sendJson('send', { id: 'm1', to: bob, content: 'hello' });
      const { data } = await reader.nextJson('message');
      reader.sendJson('ack', { seq: data.seq });
      expect((await sender.until('receipts')).data).toMatchObject([{ id: 'm1', status: 'delivered' }]);
    }
  });

  it('store for a user who is away, and drain it at another node, in order', async () => {
    const [one, two, three] = each();
    const carol = cluster.userAt(three, 'carol');
    const sender = await one.connectJson('dave');
    for (const n of [1, 2, 3]) sender.sendJson('send', { id: `s${n}`, to: carol, content: String(n) });
    for (let left = 3; left > 0;) {
      const { data } = await sender.until('receipts');
      expect(data.every(({ status }) => status === 'stored')).toBe(true);
      left -= data.length;
    }
    const reader = await two.connect(carol);
    expect((await reader.take(3)).map((frame) => frame.slice(-2))).toEqual([':1', ':2', ':3']);
  });

  it('replace the connection of a user at another node, and tell the older one only', async () => {
    const [one, two, three] = each();
    const erin = cluster.userAt(three, 'erin');
    const older = await one.connectJson(erin);
    await older.nextJson('caught-up');
    const newer = await two.connectJson(erin);
    await older.expectClose(4409);
    await newer.nextJson('caught-up');
    await newer.expectNothingElse(erin);
  });

  it('write broadcasts to all, signals to a user and endings to a sender, wherever they are', async () => {
    const [one, two, three] = each();
    const [fay, gil] = [cluster.userAt(three, 'fay'), cluster.userAt(one, 'gil')];
    const [sender, reader] = [await one.connectJson(fay), await two.connectJson(gil)];
    await Promise.all([sender.nextJson('caught-up'), reader.nextJson('caught-up')]);
    sender.sendJson('signal', { to: gil, kind: 'composing' });
    expect((await reader.nextJson('signal')).data).toEqual({ from: fay, kind: 'composing' });
    sender.sendJson('broadcast', { id: 'b1', content: 'to all' });
    expect((await reader.nextJson('message')).data).toMatchObject({ from: fay, content: 'to all' });
    const { data } = await sender.until('receipts');
    expect(data[0]!.recipients).toBeGreaterThanOrEqual(2);
    const away = cluster.userAt(two, 'hal');
    sender.sendJson('send', { id: 'e1', to: away, content: 'later' });
    expect((await sender.until('receipts')).data).toMatchObject([{ id: 'e1', status: 'stored' }]);
    await (await three.connect(away)).next();
    expect((await sender.until('endings')).data).toEqual([{ id: 'e1', to: away, end: 'delivered' }]);
  });

  it('hand over in order when one stops or joins: nothing is lost, repeated or out of order, and connections stay', async () => {
    const [one, two] = each();
    const four = await cluster.startOne();
    await cluster.untilEven();
    const ivy = cluster.userAt(four, 'ivy');
    const sender = await one.connectJson('jon');
    const reader = await two.connectJson(ivy);
    await reader.nextJson('caught-up');
    let stopped = false;
    const stopping = cluster.stop(four).then(() => (stopped = true));
    let sent = 0;
    const seen: string[] = [];
    while (!stopped || seen.length < sent) {
      if (!stopped) sender.sendJson('send', { id: `h${(sent += 1)}`, to: ivy, content: String(sent) });
      const { data } = await reader.nextJson('message');
      seen.push(data.content);
      expect(data.seq).toBe(seen.length);
      reader.sendJson('ack', { seq: data.seq });
    }
    await stopping;
    expect(seen).toEqual(Array.from({ length: sent }, (_, index) => String(index + 1)));
    await cluster.untilEven();
  });
});

describe('two nodes, one of which Postgres answers late', () => {
  let proxy: PostgresProxy;
  let cluster: ChatCluster;
  beforeAll(async () => {
    proxy = await PostgresProxy.start(postgres.socket);
    const url = await postgres.createDatabase();
    cluster = new ChatCluster(url, null);
    await cluster.startOne();
    // What this node takes for the time of Postgres is 40 ms behind: an answer counts as half of its round trip old.
    proxy.answerMs = 80;
    await cluster.startOne(postgres.url(new URL(url).pathname.slice(1), proxy));
    await cluster.untilEven();
  });
  afterAll(async () => {
    await cluster.dispose();
    await proxy.close();
  });

  it.each([
    ['which knows the time well', 0, 1],
    ['which knows it badly', 1, 0],
  ])(
    'replace a connection that was opened at the one %s, although the newer one may seem older',
    async (_which, at, other) => {
      const { nodes } = cluster;
      const erin = cluster.userAt(nodes[0]!, `erin${at}-`);
      const older = await nodes[at]!.connectJson(erin);
      await older.nextJson('caught-up');
      const newer = await nodes[other]!.connectJson(erin);
      await Promise.all([older.expectClose(4409), newer.nextJson('caught-up')]);
      await newer.expectNothingElse(erin);
    },
  );
});
