import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess } from '../support/server-process.js';
import { Refused, TestClient } from '../support/test-client.js';

const OPEN_FILES = 160;
/** What the server keeps for itself. */
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
});
