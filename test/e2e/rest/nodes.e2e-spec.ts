import { jest } from '@jest/globals';
import { ChatService } from '../../../src/chat/chat.service.js';
import type { TestOptions } from '../../support/chat-app.js';
import { JoinedApps } from '../../support/joined-apps.js';
import { catchLogLines } from '../../support/log-lines.js';
import { Refused, TestClient } from '../../support/test-client.js';

let joined: JoinedApps;
afterEach(() => joined.close());

async function start(options: TestOptions = {}, count = 3) {
  joined = await JoinedApps.start(count, options);
  const [one, two, three] = joined.apps;
  return { one: one!, two: two!, three: three! };
}

const SILENT = { status: 503, body: { code: 'STORE_UNAVAILABLE' } };

describe('any node of a cluster', () => {
  it('lists the connections of all nodes, each once, page by page', async () => {
    const { one, two, three } = await start();
    for (const [index, app] of [one, two, three, one, two].entries()) await app.connect(`user-${index}`);
    const users: string[] = [];
    let cursor = '';
    do {
      const { body } = await two.rest('GET', `/chat/connections?limit=2${cursor}`);
      expect(body).toMatchObject({ total: 5 });
      expect(body).not.toHaveProperty('missing');
      users.push(...body.items.map(({ user }: { user: string }) => user));
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
    } while (cursor);
    expect(users).toEqual(['user-0', 'user-1', 'user-2', 'user-3', 'user-4']);
    joined.node(2).isSilent = true;
    expect((await two.rest('GET', '/chat/connections')).body).toMatchObject({ total: 4, missing: [3] });
  });

  it('shows and closes a connection of another node, and never says that there is none while a node is silent', async () => {
    const { one, two, three } = await start();
    const bob = await one.connectJson('bob');
    const [{ id }] = (await three.rest('GET', '/chat/connections?user=bob')).body.items;
    expect(await two.rest('GET', `/chat/connections/${id}`)).toMatchObject({
      status: 200,
      body: { id, user: 'bob', protocol: 'json', inFlight: 0 },
    });
    joined.node(2).isSilent = true;
    expect(await two.rest('GET', `/chat/connections/${id}`)).toMatchObject({ status: 200 });
    expect(await two.rest('GET', '/chat/connections/none')).toMatchObject(SILENT);
    expect(await two.rest('DELETE', '/chat/connections/none')).toMatchObject(SILENT);
    joined.node(2).isSilent = false;
    expect(await two.rest('DELETE', `/chat/connections/${id}`)).toMatchObject({ status: 204 });
    expect(await bob.expectClose(4403)).toMatchObject({ code: 4403 });
    expect(await two.rest('GET', '/chat/connections/none')).toMatchObject({ status: 404 });
  });

  it('knows whether a user is online, and when they were seen, and disconnects them everywhere', async () => {
    const { one, two, three } = await start({ sessions: 'multiple' });
    const bobs = [await one.connect('bob'), await two.connect('bob')];
    expect((await three.rest('GET', '/chat/users/bob')).body).toMatchObject({
      online: true,
      connections: 2,
      lastSeenAt: expect.any(String),
    });
    expect(await three.rest('DELETE', '/chat/users/bob/connections')).toMatchObject({ body: { closed: 2 } });
    for (const bob of bobs) await bob.expectClose(4403);
    joined.node(0).isSilent = true;
    expect(await three.rest('GET', '/chat/users/bob')).toMatchObject(SILENT);
    expect(await three.rest('DELETE', '/chat/users/bob/connections')).toMatchObject(SILENT);
  });

  it('gives an application the connections of all nodes, with as much of a principal as JSON can say', async () => {
    const authenticate = ({ url }: { url?: string }) => {
      const user = new URL(url!, 'ws://x').searchParams.get('user')!;
      return { user, tenant: 'acme', ...(user === 'odd' && { session: 1n }) };
    };
    const { one, three } = await start({ authenticate, insecure: true });
    const lines = catchLogLines();
    await one.connect('bob');
    await one.connect('odd');
    const chat = three.app.get(ChatService, { strict: false });
    expect(await chat.isOnline('bob')).toBe(true);
    expect(await chat.isOnline('alice')).toBe(false);
    expect(await chat.connections('bob')).toMatchObject([{ user: 'bob', principal: { user: 'bob', tenant: 'acme' } }]);
    expect(await chat.connections('odd')).toMatchObject([{ user: 'odd', principal: null }]);
    expect(await chat.connections('odd')).toHaveLength(1);
    expect(lines.filter((line) => line.includes('JSON cannot say'))).toEqual([
      expect.stringMatching(/^error ChatService: authenticate returned .* null as the principal; .*BigInt/),
    ]);
    jest.restoreAllMocks();
    const chatThere = one.app.get(ChatService, { strict: false });
    expect(await chatThere.connections('odd')).toMatchObject([{ principal: { session: 1n } }]);
    expect(await chat.disconnect('bob')).toBe(1);
    joined.node(0).isSilent = true;
    await expect(chat.isOnline('bob')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', temporary: true });
  });

  it('purges at the home, which alone may delete', async () => {
    const { one, three } = await start();
    await three.rest('POST', '/chat/messages', { from: 'alice', to: 'bob', content: 'x', id: '1' });
    await three.rest('POST', '/chat/messages', { from: 'alice', to: 'bob', content: 'x', id: '2' });
    expect(await one.rest('DELETE', '/chat/pending/bob/alice/1')).toMatchObject({ body: { purged: 1 } });
    expect(await one.rest('DELETE', '/chat/pending/bob')).toMatchObject({ body: { purged: 1 } });
    joined.node(2).isSilent = true;
    expect(await one.rest('DELETE', '/chat/pending/bob')).toMatchObject(SILENT);
  });

  it('adds up what all nodes have counted, with a line for each, and says who did not answer', async () => {
    const { one, two, three } = await start({ record: { keepMs: 3_600_000 } });
    await one.connect('alice');
    await two.connect('bob');
    await one.rest('POST', '/chat/messages', { from: 'alice', to: 'nobody', content: 'x' });
    await two.rest('POST', '/chat/messages', { from: 'alice', to: 'nobody', content: 'x' });
    const { body } = await three.rest('GET', '/chat/stats');
    expect(body).toMatchObject({ connections: 2, users: 2, messages: { accepted: 2, pending: 2 }, missing: [] });
    expect(body.record).toEqual({ recorded: 2, expired: 0, erased: 0 });
    expect(body.nodes.map(({ record }: { record: object }) => record)).toMatchObject([
      { recorded: 1 },
      { recorded: 1 },
      { recorded: 0 },
    ]);
    expect(body.nodes).toMatchObject([
      { id: 1, slots: 512, links: 2, connections: 1, messages: { accepted: 1, handedOver: 0 } },
      { id: 2, slots: 512, links: 2, connections: 1, messages: { accepted: 1, handedOver: 0 } },
      { id: 3, slots: 512, links: 2, connections: 0, messages: { accepted: 0, handedOver: 0 } },
    ]);
    joined.node(0).isSilent = true;
    expect((await three.rest('GET', '/chat/stats')).body).toMatchObject({ connections: 1, missing: [1] });
  });

  it('says by its readiness whether it has its place in the cluster, and shows it by its metrics', async () => {
    const { one } = await start({}, 2);
    expect(await one.rest('GET', '/health/ready')).toMatchObject({ status: 200 });
    joined.node(0).isReady = false;
    expect(await one.rest('GET', '/health/ready')).toMatchObject({
      status: 503,
      body: { message: 'the node has no place in its cluster, or does not hear the other nodes' },
    });
    const metrics = await (await one.scrape()).text();
    for (const line of ['nodes 2', 'slots 512', 'links 1', 'packets_refused_total{reason="forged"} 3'])
      expect(metrics).toContain(`\nholdfast_cluster_${line}\n`);
  });
});

describe('a ticket', () => {
  const open = (port: number, ticket: string) => TestClient.open(`ws://127.0.0.1:${port}/chat?ticket=${ticket}`);

  it('is good at every node, once, and while the node that issued it is there', async () => {
    const { one, two, three } = await start();
    const issue = async () => (await one.rest('POST', '/chat/tickets', { user: 'bob' })).body.ticket as string;
    const ticket = await issue();
    expect(ticket).toMatch(/^1\.[\w-]{43}$/);
    two.keep(await open(two.port, ticket));
    for (const { port } of [one, two, three]) await expect(open(port, ticket)).rejects.toThrow(Refused);
    one.keep(await open(one.port, await issue()));
    const late = await issue();
    joined.node(0).isSilent = true;
    await expect(open(two.port, late)).rejects.toMatchObject({ status: 401 });
    // A ticket of a node that is not there, and one that names the node itself.
    for (const wrong of [`9.${'x'.repeat(43)}`, `2.${'x'.repeat(43)}`, '1.x'])
      await expect(open(two.port, wrong)).rejects.toMatchObject({ status: 401 });
  });
});

describe('a principal that JSON cannot say', () => {
  it('gets no ticket, as another node could not be told of it, and the log says why', async () => {
    const round: Record<string, unknown> = {};
    round['self'] = round;
    const authenticate = () => ({ user: 'bob', round });
    const { one, two } = await start({ authenticate }, 2);
    const lines = catchLogLines();
    expect(await one.rest('POST', '/chat/tickets', {}, 'session')).toMatchObject({ status: 503 });
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringMatching(
        /^error Authentication: authenticate returned what JSON cannot say .* no ticket was issued/,
      ),
    ]);
    jest.restoreAllMocks();
    // It may connect, write and be written to all the same.
    const bob = await two.connectJson('bob');
    bob.sendJson('send', { id: 'm1', to: 'bob', content: 'to myself' });
    expect((await bob.until('message')).data).toMatchObject({ content: 'to myself' });
  });
});

describe('the limit of a user', () => {
  it('holds across nodes', async () => {
    const { one, two, three } = await start({ sessions: 'multiple', connectionsPerUser: 2 });
    const first = await one.connect('bob');
    await two.connect('bob');
    await expect(three.connect('bob')).rejects.toMatchObject({ status: 429 });
    await three.connect('alice');
    await first.close();
    await three.connect('bob');
    await expect(one.connect('bob')).rejects.toMatchObject({ status: 429 });
  });
});
