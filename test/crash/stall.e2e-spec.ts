import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withDeadline } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

describe('a server that stalls', () => {
  let folder: string;
  let server: ServerProcess;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-stall-'));
    server = await ServerProcess.start({
      DATABASE_URL: `sqlite:${join(folder, 'x.sqlite')}`,
      CHAT_HEARTBEAT_MS: '1000',
      NODE_OPTIONS: `--require ${join(import.meta.dirname, '../support/stall-on-signal.cjs')}`,
    });
  });
  afterEach(async () => {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('takes nobody for dead who answered while it stood still', async () => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, (_, n) => TestClient.open(`${server.socketUrl}?user=user-${n}`)),
    );
    // The server is busy from its ping on. The pongs wait unread, and the next heartbeat is overdue when it goes on.
    const pinged = new Promise<void>((resolve) => {
      clients[0]!.socket.once('ping', () => {
        process.kill(server.pid, 'SIGUSR2');
        resolve();
      });
    });
    await withDeadline(pinged, () => 'a ping');
    for (const [n, client] of clients.entries()) client.send(`user-${(n + 1) % clients.length}|still here`);
    for (const client of clients) expect(await client.next()).toBe('still here');
    for (const client of clients) await client.close();
  });
});
