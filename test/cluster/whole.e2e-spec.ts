import { isDeepStrictEqual } from 'node:util';
import { jest } from '@jest/globals';
import { Cluster, startRedis } from '../support/cluster.js';
import type { ClusterNode } from '../support/cluster-process.js';
import { eventually } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { Refused, TestClient } from '../support/test-client.js';

const BUSES = (process.env['CLUSTER_BUS'] ?? 'Postgres,Redis').split(',');
const START_MS = 300_000;
/** How long may take what has to happen at all, on a machine that is busy, in milliseconds. */
const PATIENCE_MS = 60_000;

jest.setTimeout(2 * PATIENCE_MS);

describe.each(BUSES)('three nodes with %s as the bus', (bus) => {
  let cluster: Cluster;
  let clients: TestClient[] = [];
  let nodes: readonly ClusterNode[];
  beforeAll(async () => {
    cluster = await Cluster.start({
      nodes: 3,
      ...(bus === 'Redis' && { redis: startRedis }),
      env: { CHAT_SESSIONS: 'multiple', CHAT_CONNECTIONS_PER_USER: '2' },
    });
    await cluster.heal();
    ({ nodes } = cluster);
  }, START_MS);
  afterAll(() => cluster?.dispose());
  beforeEach(() => (clients = []));
  afterEach(async () => {
    for (const client of clients) await client.close();
  });

  async function connect(node: ClusterNode, user: string, query = `?user=${user}`): Promise<TestClient> {
    const client = await TestClient.open(`${node.socketUrl}${query}`, ['chat.v1.json']);
    clients.push(client);
    await client.until('caught-up');
    return client;
  }

  async function rest(node: ClusterNode, method: string, path: string, body?: object) {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${node.url}/chat${path}`, {
      method,
      ...(body && { headers, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** Sends a message to somebody who is away. A node that is busy may refuse it for a while, and then it is sent again. */
  async function store(node: ClusterNode, message: { from: string; to: string; content: string; id: string }) {
    let answer: unknown;
    await eventually(
      async () => {
        const { body } = (answer = await rest(node, 'POST', '/messages', message)) as { body: { status?: string } };
        return body.status === 'stored';
      },
      () => `${message.id} is stored: ${JSON.stringify(answer)}`,
      PATIENCE_MS,
    );
  }

  /** The same from every node. One that is busy may not have answered another one in time. */
  async function everywhere(path: string): Promise<unknown> {
    let answers: unknown[] = [];
    await eventually(
      async () => {
        answers = await Promise.all(nodes.map((node) => rest(node, 'GET', path)));
        return answers.every((answer) => isDeepStrictEqual(answer, answers[0]));
      },
      () => `all nodes say the same: ${JSON.stringify(answers)}`,
      PATIENCE_MS,
    );
    return answers[0];
  }

  it('say at their start that they are nodes, and which bus they have', () => {
    const line = bus === 'Redis' ? /this is a node of a cluster, whose bus is redis:\/\/127/ : /whose bus is Postgres/;
    for (const { log } of nodes) expect(log).toMatch(line);
  });

  it('show the same of connections, users and what waits, whichever is asked', async () => {
    for (const [index, node] of nodes.entries()) await connect(node, `shown-${index}`);
    await store(nodes[0]!, { from: 'shown-0', to: 'absent', content: 'x', id: 'one' });
    expect(await everywhere('/connections')).toMatchObject({ body: { total: 3 } });
    for (const index of [0, 1, 2])
      expect(await everywhere(`/users/shown-${index}`)).toMatchObject({ body: { online: true, connections: 1 } });
    expect(await everywhere('/pending/absent')).toMatchObject({ body: { total: 1, items: [{ id: 'one' }] } });
    expect(await everywhere('/users/absent')).toMatchObject({ body: { online: false, pending: 1 } });
  });

  /** Deletes what waits. A node that is busy may have lost the mailbox: then it says so, and is asked again. */
  async function purge(node: ClusterNode, path: string): Promise<number> {
    let answer: Awaited<ReturnType<typeof rest>>;
    await eventually(
      async () => (answer = await rest(node, 'DELETE', `/pending/${path}`)).status !== 503,
      () => `${path} is purged: ${JSON.stringify(answer)}`,
      PATIENCE_MS,
    );
    expect(answer!.status).toBe(200);
    return answer!.body.purged;
  }

  it('purge and disconnect from any node', async () => {
    for (const [index, node] of nodes.entries()) {
      const to = `purged-${index}`;
      for (const id of ['one', 'two']) await store(node, { from: 'alice', to, content: 'x', id });
      const other = nodes[(index + 1) % 3]!;
      expect(await purge(other, `${to}/alice/one`)).toBe(1);
      expect(await purge(other, to)).toBe(1);
      const client = await connect(node, to);
      expect(await rest(other, 'DELETE', `/users/${to}/connections`)).toMatchObject({ body: { closed: 1 } });
      await client.expectClose(4403);
    }
  });

  it('take a ticket of another node, once', async () => {
    const { body } = await rest(nodes[0]!, 'POST', '/tickets', { user: 'bob' });
    const bob = await connect(nodes[1]!, 'bob', `?ticket=${body.ticket}`);
    await rest(nodes[2]!, 'POST', '/messages', { from: 'alice', to: 'bob', content: 'hello', ttl: 60 });
    expect(await bob.nextJson('message')).toMatchObject({ data: { from: 'alice', content: 'hello' } });
    for (const node of nodes)
      await expect(connect(node, 'bob', `?ticket=${body.ticket}`)).rejects.toMatchObject({ status: 401 });
  });

  it('allow a user as many connections as one server would', async () => {
    await connect(nodes[0]!, 'limited');
    await connect(nodes[1]!, 'limited');
    await expect(connect(nodes[2]!, 'limited')).rejects.toThrow(Refused);
  });

  it('reach everybody with a broadcast, and count them', async () => {
    const readers = await Promise.all(nodes.map((node, index) => connect(node, `heard-${index}`)));
    await eventually(
      // A node that does not answer at once is not counted.
      async () => {
        const { body } = await rest(nodes[0]!, 'POST', '/messages', {
          from: 'alice',
          content: 'to all',
          broadcast: true,
        });
        expect(body.status).toBe('broadcast');
        return body.recipients === 3;
      },
      () => 'a broadcast is counted at all nodes',
      PATIENCE_MS,
    );
    for (const reader of readers)
      expect(await reader.nextJson('message')).toMatchObject({ data: { content: 'to all' } });
  });

  it('add up their books, and share all slots', async () => {
    type Figures = Record<'links' | 'slots', number>;
    let body: { missing?: number[]; nodes?: Figures[] } = {};
    await eventually(
      async () => {
        ({ body } = await rest(nodes[1]!, 'GET', '/stats'));
        const slots = (body.nodes ?? []).map((node) => node.slots);
        return (
          body.missing?.length === 0 &&
          body.nodes!.every(({ links }) => links === 2) &&
          slots.reduce((sum, count) => sum + count, 0) === 1_024 &&
          Math.min(...slots) > 300
        );
      },
      () => `all hear each other and have their share: ${JSON.stringify(body)}`,
      PATIENCE_MS,
    );
    await cluster.books();
    expect(await cluster.metric('holdfast_cluster_slots')).toBe(1_024);
  });

  it('stay ready when one of them is killed, and name it as missing until the others have its slots', async () => {
    await nodes[2]!.kill();
    const [one, two] = nodes as [ClusterNode, ClusterNode];
    for (const { url } of [one, two]) expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const knowsTwo = async (node: ClusterNode) => {
      const { missing, nodes: told } = (await rest(node, 'GET', '/stats')).body;
      const slots = told.reduce((sum: number, one: { slots: number }) => sum + one.slots, 0);
      return missing.length === 0 && told.length === 2 && slots === 1_024;
    };
    await eventually(
      async () => (await knowsTwo(one)) && (await knowsTwo(two)),
      () => `the others have all slots; ${cluster.logs}`,
      PATIENCE_MS,
    );
    expect(await cluster.metric('holdfast_cluster_takeovers_total')).toBeGreaterThan(0);
  });
});

describe('a node that can not be one', () => {
  it(
    'is refused beside a single server, and the other way round',
    async () => {
      const cluster = await Cluster.start({ nodes: 2 });
      try {
        const single = await ServerProcess.refused({ DATABASE_URL: cluster.databaseUrl });
        expect(single).toMatchObject({ code: 1 });
        expect(single.output.trimEnd().split('\n')).toHaveLength(1);
      } finally {
        await cluster.dispose();
      }
    },
    START_MS,
  );
});
