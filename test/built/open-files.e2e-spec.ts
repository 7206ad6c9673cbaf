import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/deadline.js';
import { RawClient } from '../support/raw-client.js';
import { ServerProcess } from '../support/server-process.js';
import { Refused, TestClient } from '../support/test-client.js';

const OPEN_FILES = 160;
/** Open files that the server reserves for itself. */
const SPARE = 100;

describe('a server that may open few files', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-files-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('starts, refuses whom it has no room for in HTTP, and stores what comes meanwhile', async () => {
    const server = await ServerProcess.start({ DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}` }, [
      'prlimit',
      `--nofile=${OPEN_FILES}`,
    ]);
    const clients: TestClient[] = [];
    try {
      for (let n = 0; n < OPEN_FILES - SPARE; n += 1)
        clients.push(await TestClient.open(`${server.socketUrl}?user=u${n}`, ['chat.v1.json']));
      const more = TestClient.open(`${server.socketUrl}?user=more`);
      await expect(more).rejects.toBeInstanceOf(Refused);
      await expect(more).rejects.toMatchObject({ status: 503, body: { code: 'SERVER_FULL' } });
      clients[0]!.sendJson('send', { to: 'away', content: 'later', id: 'm1' });
      expect(await clients[0]!.until('receipts')).toMatchObject({ data: [{ id: 'm1', status: 'stored' }] });
    } finally {
      for (const client of clients) await client.close();
      expect(await server.stop()).toBe(0);
    }
  });

  it.each([
    ['with a limit for it', '50'],
    ['without a limit for it', 'none'],
  ])('is not filled by one address that holds sockets, %s: others connect', async (_, limit) => {
    const env = { DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`, CHAT_CONNECTIONS_PER_ADDRESS: limit };
    const server = await ServerProcess.start(env, ['prlimit', '--nofile=200']);
    const { hostname, port } = new URL(server.url);
    const held: RawClient[] = [];
    const clients: TestClient[] = [];
    try {
      for (let n = 0; n < 600; n += 1) held.push(await RawClient.connect(Number(port)));
      for (let n = 0; n < 50; n += 1) {
        const url = `${server.socketUrl}?user=u${n}`;
        clients.push(await TestClient.open(url, ['chat.v1.json'], { host: hostname, localAddress: '127.0.0.2' }));
      }
      await eventually(() => held.filter(({ socket }) => socket.closed).length >= 500);
      clients[0]!.sendJson('send', { to: 'away', content: 'later', id: 'm1' });
      expect(await clients[0]!.until('receipts')).toMatchObject({ data: [{ id: 'm1', status: 'stored' }] });
    } finally {
      for (const peer of held) peer.reset();
      for (const client of clients) await client.close();
      expect(await server.stop()).toBe(0);
    }
  });
});
