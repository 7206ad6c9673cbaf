import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-signals-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (wrapper?: readonly string[]) =>
  ServerProcess.start({ DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}` }, wrapper);

describe('SIGHUP', () => {
  it('does not end a server that was started under nohup, nor does a second one', async () => {
    const server = await start(['nohup']);
    try {
      const alice = await TestClient.open(`${server.socketUrl}?user=alice`);
      for (let times = 1; times <= 2; times += 1) {
        process.kill(server.pid, 'SIGHUP');
        await eventually(() => server.stdout.match(/SIGHUP: ignored/g)?.length === times);
      }
      alice.send('alice|still here');
      expect(await alice.next()).toBe('still here');
      expect(await server.stop('SIGTERM')).toBe(0);
      await alice.expectClose(1001);
    } finally {
      await server.kill();
    }
  });

  it('does not end it while it starts, either', async () => {
    // The signal comes when its first file exists, which is before it listens.
    const early = 'while [ ! -e "$STORE" ]; do :; done; kill -HUP $$';
    const file = join(folder, 'holdfast.sqlite');
    const server = await start(['nohup', 'env', `STORE=${file}`, 'sh', '-c', `(${early}) & exec "$@"`, 'sh']);
    expect(await server.stop('SIGTERM')).toBe(0);
  });

  it('ends a server whose terminal hangs up, in order', async () => {
    const terminal = await start(['sh', '-c', 'exec script -qfec "$*" /dev/null', 'sh']);
    const alice = await TestClient.open(`${terminal.socketUrl}?user=alice`);
    await terminal.kill();
    await alice.expectClose(1001);
    let next: ServerProcess | undefined;
    // Its store is not locked any more.
    await eventually(async () => (next = await start().catch(() => undefined)) !== undefined);
    expect(await next!.stop()).toBe(0);
  });
});
