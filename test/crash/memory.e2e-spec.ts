import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hoarder } from '../support/crash-hoarder.js';
import {
  balancedTotals,
  connectionsOf,
  pendingOf,
  queryFile,
  residentBytes,
  UNCAPPED,
} from '../support/crash-server.js';
import { eventually, withDeadline } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

const PENDING = 100_000;
const CONTENT_BYTES = 300;
const ACK_WINDOW = 256;
const MIB = 1024 * 1024;
/** The most memory that a reader may cost while it sleeps, and while it reads everything. */
const ASLEEP_BYTES = 30 * MIB;
const DRAINING_BYTES = 50 * MIB;
/** Messages between two checks of the memory and the connection. */
const LOOK_EVERY = 1_000;
const DRAIN_MS = 60_000;

/**
 * The heap has no room for the backlog. It also makes Node collect its garbage early. With room for gigabytes Node lets
 * some 100 MB gather, which hides what the server holds.
 */
const NODE_OPTIONS = '--max-old-space-size=96 --max-semi-space-size=4';

// Memory is read from /proc.
(process.platform === 'linux' ? describe : describe.skip)(`${PENDING} messages that wait for one reader`, () => {
  let folder: string;
  let server: ServerProcess | undefined;
  let clients: TestClient[] = [];
  let restingBytes: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-memory-'));
    await (await start()).stop(); // The server makes the tables.
    await queryFile(
      file(),
      `INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
       WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ${PENDING})
       SELECT 'bob', n, 'alice', 'm-' || n, printf('%0${CONTENT_BYTES}d', n), ${CONTENT_BYTES}, ${Date.now()}, ${Date.now()}
       FROM number`,
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    server = await start();
    await relay();
    restingBytes = await residentBytes(server.pid);
  });
  afterEach(async () => {
    for (const client of clients) client.socket.terminate();
    clients = [];
    await server?.kill();
  });

  it('cost nothing while a text client sleeps on them', async () => {
    const bob = await connect('bob');
    bob.socket.pause();
    const asleep = { inFlight: ACK_WINDOW, sent: ACK_WINDOW };
    await untilReader(asleep);
    await relay();
    const growth = (await residentBytes(server!.pid)) - restingBytes;
    print(`asleep: ${mib(restingBytes)} at rest, ${mib(growth)} more with a reader that sleeps on ${PENDING}`);
    expect(growth).toBeLessThan(ASLEEP_BYTES);
    expect(await connectionsOf(server!, 'bob')).toMatchObject([asleep]);
    expect(await pendingOf(server!, 'bob')).toBe(PENDING);
  });

  it('come in order, once, a window at a time, and then the reader has caught up', async () => {
    const bob = await connect('bob', ['chat.v1.json']);
    const looks: Promise<{ bytes: number; inFlight: number }>[] = [];
    const faults: string[] = [];
    let received = 0;
    let acknowledged = 0;
    const acknowledge = () => bob.sendJson('ack', { seq: (acknowledged = received) });
    const startedAt = performance.now();
    const caughtUp = new Promise<{ delivered: number }>((resolve) => {
      bob.listen((frame) => {
        const { event, data } = JSON.parse(frame);
        if (event === 'caught-up') return resolve(data);
        if (event !== 'message') return;
        received += 1;
        const isNext = data.seq === received && data.id === `m-${received}` && Number(data.content) === received;
        if (!isNext) faults.push(`${data.id} came as number ${received} with seq ${data.seq}`);
        if (received - acknowledged > ACK_WINDOW) faults.push(`${received} came, ${acknowledged} were acknowledged`);
        if (received % (ACK_WINDOW / 2) === 0) acknowledge();
        if (received % LOOK_EVERY === 0) looks.push(look());
      });
    });
    const { delivered } = await withDeadline(caughtUp, () => `${received} came`, DRAIN_MS);
    const seconds = (performance.now() - startedAt) / 1000;
    acknowledge();
    await eventually(async () => (await pendingOf(server!, 'bob')) === 0);
    expect(faults.slice(0, 10)).toEqual([]);
    expect({ received, delivered }).toEqual({ received: PENDING, delivered: PENDING });
    // One more message shows that nothing came in between.
    bob.sendJson('send', { to: 'bob', content: String(PENDING + 1), id: `m-${PENDING + 1}` });
    await eventually(() => received === PENDING + 1);
    expect(faults).toEqual([]);
    expect((await balancedTotals(server!)).confirmed).toBeGreaterThanOrEqual(PENDING);

    const seen = await Promise.all(looks);
    const mostBytes = Math.max(...seen.map(({ bytes }) => bytes));
    const mostInFlight = Math.max(...seen.map(({ inFlight }) => inFlight));
    print(
      `drained: ${PENDING} in ${seconds.toFixed(1)} s; ${mib(restingBytes)} at rest, ${mib(mostBytes - restingBytes)} more at most; ` +
        `${mostInFlight} in flight at most in ${seen.length} looks`,
    );
    expect(mostBytes - restingBytes).toBeLessThan(DRAINING_BYTES);
    expect(mostInFlight).toBeLessThanOrEqual(ACK_WINDOW);
    expect(mostInFlight).toBeGreaterThan(0);
  });

  it('negative control: a server that hands over everything at once is found out', async () => {
    const hoarder = await Hoarder.start(PENDING, 'x'.repeat(CONTENT_BYTES));
    try {
      const before = await residentBytes(hoarder.pid);
      const reader = await TestClient.open(hoarder.socketUrl);
      clients.push(reader);
      reader.socket.pause();
      await hoarder.untilWritten();
      const growth = (await residentBytes(hoarder.pid)) - before;
      print(`hoarder: ${mib(before)} at rest, ${mib(growth)} more`);
      expect(growth).toBeGreaterThan(DRAINING_BYTES);
    } finally {
      await hoarder.kill();
    }
  });

  function file(): string {
    return join(folder, 'holdfast.sqlite');
  }

  function start(): Promise<ServerProcess> {
    return ServerProcess.start({
      DATABASE_URL: `sqlite:${file()}`,
      CHAT_ACK_WINDOW: String(ACK_WINDOW),
      NODE_OPTIONS,
      ...UNCAPPED,
    });
  }

  async function connect(user: string, protocols: string[] = []): Promise<TestClient> {
    const client = await TestClient.open(`${server!.socketUrl}?user=${user}`, protocols);
    clients.push(client);
    return client;
  }

  /** Others talk meanwhile, so that the server has compiled its code and has done what it does within a turn. */
  async function relay(): Promise<void> {
    const [carol, dave] = [await connect('carol'), await connect('dave')];
    for (let n = 1; n <= 5_000; n += 1) carol.send(`dave|${n}`);
    await dave.take(5_000);
    await eventually(async () => (await pendingOf(server!, 'dave')) === 0);
    await Promise.all([carol.close(), dave.close()]);
  }

  async function look(): Promise<{ bytes: number; inFlight: number }> {
    const [bytes, [reader]] = await Promise.all([residentBytes(server!.pid), connectionsOf(server!, 'bob')]);
    return { bytes, inFlight: reader!.inFlight };
  }

  async function untilReader(wanted: { inFlight: number; sent: number }): Promise<void> {
    await eventually(async () => {
      const [reader] = await connectionsOf(server!, 'bob');
      return reader?.inFlight === wanted.inFlight && reader.sent === wanted.sent;
    });
  }
});

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
