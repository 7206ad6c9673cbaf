import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReaderProcess } from '../support/crash-reader.js';
import { balancedTotals, UNCAPPED } from '../support/crash-server.js';
import { eventually, withDeadline } from '../support/deadline.js';
import { DrainCrowd } from '../support/drain-crowd.js';
import { History, tableOf } from '../support/history.js';
import { ServerProcess } from '../support/server-process.js';
import { SwallowingProxy } from '../support/swallowing-proxy.js';
import { TestClient } from '../support/test-client.js';

const FAULTLESS = { refused: 0, lost: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] };
const HINT = /^the server is going away; retry-after=[1-4]$/;

let folder: string;
let server: ServerProcess;
let crowd: DrainCrowd | undefined;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-drain-'))));
afterEach(async () => {
  crowd?.abandon();
  await server?.kill();
  for (const close of closing.splice(0)) await close();
  await rm(folder, { recursive: true, force: true });
});

const start = async (env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> =>
  (server = await ServerProcess.start({
    DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`,
    CHAT_MAX_CONNECTIONS: 'none',
    ...UNCAPPED,
    ...env,
  }));

async function enter(user: string, protocols: string[] = []): Promise<TestClient> {
  const client = await TestClient.open(`${server.socketUrl}?user=${user}`, protocols);
  closing.push(() => client.drop());
  return client;
}

describe('SIGTERM', () => {
  it.each([0, 10, 1_000])('drains %d clients who send and receive, and loses nothing', async (count) => {
    const history = new History();
    await start();
    crowd = new DrainCrowd(count, history);
    await crowd.enter(server.socketUrl);
    await eventually(async () => (await balancedTotals(server)).accepted >= 5 * count);
    const askedAt = performance.now();
    const stopped = server.stop('SIGTERM').then((code) => ({ code, tookMs: performance.now() - askedAt }));
    if (count === 1_000) await expectClosedDoors();
    const endings = await crowd.endings();
    const { code, tookMs } = await stopped;
    process.stdout.write(`SIGTERM with ${count} clients: ended after ${Math.round(tookMs)} ms\n`);
    expect(endings.filter((ending) => ending.code !== 1001 || !HINT.test(ending.reason))).toEqual([]);
    expect(code).toBe(0);
    expect(server.stdout).toMatch(/SIGTERM: closing all connections/);

    history.restarted();
    await start();
    expect((await balancedTotals(server)).pending).toBeGreaterThanOrEqual(history.owed);
    await crowd.settle(server.socketUrl, async () => {
      const { pending, inFlight } = await balancedTotals(server);
      return pending + inFlight === 0;
    });
    const verdict = history.check();
    process.stdout.write(tableOf(verdict));
    expect(verdict).toMatchObject(FAULTLESS);
    expect(verdict.acknowledged).toBe(verdict.attempts);
    if (count > 0) expect(verdict.recovered).toBeGreaterThan(0);
  });

  it('ends the server with 0 though peers are mute, deaf or half open', async () => {
    await start({ CHAT_DRAIN_MS: '1500' });
    const deaf = await enter('deaf');
    deaf.socket.pause();
    const frozen = await ReaderProcess.open(`${server.socketUrl}?user=frozen`, 'json');
    closing.push(() => frozen.kill());
    await frozen.freeze();
    const proxy = await SwallowingProxy.start(server.socketUrl);
    closing.push(() => proxy.close());
    const cut = await TestClient.open(`${proxy.url}?user=cut`);
    closing.push(() => cut.drop());
    proxy.swallowAfter('toServer', 0);
    proxy.swallowAfter('toClient', 0);
    const half = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => undefined);
    closing.push(async () => half.destroy());
    await new Promise<void>((resolve) => half.write('GET /health/live HTTP/1.1\r\nHost: x\r\n', () => resolve()));
    const alice = await enter('alice', ['chat.v1.json']);
    // More than the kernel takes for one that does not read.
    for (let n = 1; n <= 200; n += 1) {
      alice.sendJson('send', { to: n % 2 ? 'deaf' : 'frozen', content: 'x'.repeat(60_000), id: `m-${n}` });
    }
    for (let receipts = 0; receipts < 200;) receipts += (await alice.until('receipts')).data.length;
    expect(await server.stop('SIGTERM')).toBe(0);
    expect((await alice.expectClose(1001)).reason).toMatch(HINT);
  });

  it.each([
    ['SIGTERM', ['SIGTERM', 'SIGTERM']],
    ['SIGTERM', ['SIGHUP', 'SIGTERM']],
    ['SIGINT', ['SIGTERM']],
  ] as const)(
    '%s and then %j drains all clients, as supervisors and process groups repeat signals',
    async (first, more) => {
      await start();
      crowd = new DrainCrowd(250, new History());
      await crowd.enter(server.socketUrl);
      const one = await enter('one');
      const mute = await enter('mute'); // The server waits for it, so it is there when the other signals come.
      mute.socket.pause();
      process.kill(server.pid, first);
      process.kill(server.pid, first); // As `timeout` does, or npm beside the terminal.
      await one.closed; // The drain is under way.
      for (const signal of more) process.kill(server.pid, signal);
      await mute.drop();
      const endings = await crowd.endings();
      expect(endings.filter((ending) => ending.code !== 1001)).toEqual([]);
      expect(await server.exited).toEqual({ code: 0, signal: null });
      expect(server.stdout.match(/closing all connections, then/g)).toHaveLength(1);
    },
  );

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'waits for mute clients when it is %s, until somebody presses Ctrl-C, which ends it at once; what has a receipt is kept',
    async (first) => {
      await start({ CHAT_DRAIN_MS: '60000' });
      const mute = await enter('mute');
      const alice = await enter('alice', ['chat.v1.json']);
      mute.socket.pause();
      for (let n = 1; n <= 20; n += 1)
        alice.sendJson('send', { to: n % 2 ? 'bob' : 'mute', content: `x${n}`, id: `m-${n}` });
      for (let receipts = 0; receipts < 20;) receipts += (await alice.until('receipts')).data.length;
      const firstAt = performance.now();
      process.kill(server.pid, first);
      await alice.expectClose(1001);
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200); // The server waits.
      await eventually(() => performance.now() - firstAt > 300); // The time that a person takes to press it again.
      const askedAt = performance.now();
      process.kill(server.pid, 'SIGINT');
      const exit = await withDeadline(server.exited, () => 'the server ends');
      process.stdout.write(`SIGINT after ${first}: ended after ${Math.round(performance.now() - askedAt)} ms\n`);
      expect(exit).toEqual({ code: 1, signal: null });
      const told = `${server.stdout}${server.stderr}`.split('\n').filter((line) => /again/.test(line));
      expect(told).toEqual([expect.stringMatching('WARN \\[Holdfast\\] SIGINT again: exiting at once')]);
      await start();
      for (const [user, odd] of [
        ['bob', 1],
        ['mute', 0],
      ] as const) {
        const frames = await (await enter(user)).take(10);
        expect(frames.map((frame) => /Z:x(\d+)$/.exec(frame)![1])).toEqual(
          Array.from({ length: 10 }, (_, index) => String(2 * index + 2 - odd)),
        );
      }
    },
  );
});

/** The server is not ready, and accepts no handshake, while it drains. */
async function expectClosedDoors(): Promise<void> {
  await eventually(() => server.stdout.includes('closing all connections')); // What it has read may come before the signal.
  const ready = await fetch(`${server.url}/health/ready`);
  expect({ status: ready.status, body: await ready.json() }).toMatchObject({
    status: 503,
    body: { code: 'NOT_READY' },
  });
  await expect(TestClient.open(`${server.socketUrl}?user=late`)).rejects.toMatchObject({
    status: 503,
    headers: { connection: 'close', 'retry-after': '5' },
  });
}
