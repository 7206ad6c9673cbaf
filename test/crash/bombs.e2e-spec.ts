import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectionsOf, residentBytes, UNCAPPED } from '../support/crash-server.js';
import { withDeadline } from '../support/deadline.js';
import { RawClient } from '../support/raw-client.js';
import { rawFrame } from '../support/raw-frames.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

const MIB = 1024 * 1024;
/** The most memory that all peers of one case may cost together. */
const GROWTH_BYTES = 30 * MIB;
const PEERS = 20;
/**
 * A small heap makes Node collect garbage early. With room for gigabytes Node lets 100 MB gather, which hides what the
 * server holds.
 */
const NODE_OPTIONS = '--max-old-space-size=96 --max-semi-space-size=4';
const [TEXT, PING, PONG] = [1, 9, 10] as const;

// Memory is read from /proc.
(process.platform === 'linux' ? describe : describe.skip)('a peer that wants the memory of the server', () => {
  let folder: string;
  let server: ServerProcess;
  let alice: TestClient;
  let bob: TestClient;
  let peers: RawClient[] = [];
  let restingBytes: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-bombs-'));
    server = await ServerProcess.start({
      DATABASE_URL: `sqlite:${join(folder, 'x.sqlite')}`,
      NODE_OPTIONS,
      ...UNCAPPED,
    });
    [alice, bob] = [await open('alice'), await open('bob')];
    await chat(5_000); // The server has compiled its code, and has done what it does within a turn.
    restingBytes = await residentBytes(server.pid);
  });
  afterEach(async () => {
    for (const peer of peers) peer.reset();
    peers = [];
    for (const client of [alice, bob]) client.socket.terminate();
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  });

  function open(user: string): Promise<TestClient> {
    return TestClient.open(`${server.socketUrl}?user=${user}`);
  }

  /** The others notice nothing. */
  async function chat(messages: number): Promise<void> {
    for (let n = 1; n <= messages; n += 1) alice.send(`bob|${n}`);
    // Behind a full window a message is delayed, and comes with its time.
    for (let n = 1; n <= messages; n += 1) expect((await bob.next()).split(':').at(-1)).toBe(String(n));
  }

  async function raw(count = PEERS): Promise<RawClient[]> {
    const port = Number(new URL(server.url).port);
    for (let n = 0; n < count; n += 1) peers.push(await RawClient.open(port, `/chat?user=raw-${n}`));
    for (const { socket } of peers) socket.setNoDelay();
    return peers;
  }

  async function expectBounded(what: string, bytes = GROWTH_BYTES): Promise<void> {
    await chat(100);
    const growth = (await residentBytes(server.pid)) - restingBytes;
    process.stdout.write(`${what}: ${(growth / MIB).toFixed(1)} MiB more for ${peers.length} peers\n`);
    expect(growth).toBeLessThan(bytes);
  }

  /**
   * Writes `total` bytes, or as many as the server takes, and reads nothing. What the server does not take waits in
   * this process.
   */
  async function flood(peer: RawClient, segment: Buffer, total: number): Promise<void> {
    peer.socket.pause();
    for (let written = 0; written < total; written += segment.length) peer.socket.write(segment);
    for (let before = -1; peer.socket.bytesWritten !== before;) {
      before = peer.socket.bytesWritten;
      if (peer.socket.writableLength === 0) return;
      await chat(200); // The server has had its turns. What it has not taken by now it does not take.
    }
  }

  it('gets nothing for a length of 100 MB that it only announces', async () => {
    for (const peer of await raw()) {
      await peer.write(rawFrame({ opcode: TEXT, length: 100_000_000n, lengthBytes: 8, payload: 'x'.repeat(1_000) }));
      const frame = await peer.nextFrame();
      expect([frame?.opcode, frame?.payload.readUInt16BE(0)]).toEqual([8, 1009]);
    }
    await expectBounded('announced');
  });

  it('gets no more than its frame for writing it a byte at a time, or is closed for the crumbs', async () => {
    const frame = rawFrame({ payload: `bob|${'x'.repeat(65_536)}` });
    for (const peer of await raw(4)) {
      for (const byte of frame.subarray(0, 20_000)) peer.socket.write(Buffer.from([byte]));
      await peer.write(frame.subarray(20_000, -1));
    }
    await expectBounded('a byte at a time');
    // How many pieces arrive is up to the kernels.
    let taken = 0;
    for (const peer of peers) {
      peer.socket.write(Buffer.concat([frame.subarray(-1), rawFrame({ opcode: PING, payload: 'end' })]));
      const answer = await peer.nextFrame();
      if (answer?.opcode === PONG) taken += 1;
      else expect([answer?.opcode, answer?.payload.readUInt16BE(0)]).toEqual([8, 1008]);
    }
    for (let n = 0; n < taken; n += 1) expect(await bob.next()).toHaveLength(65_536);
  });

  it('gets no more than a closed connection for fragments of one byte that never end', async () => {
    const fragments = Buffer.concat([
      rawFrame({ payload: 'b', fin: false }),
      ...Array.from({ length: 140_000 }, () => rawFrame({ opcode: 0, payload: 'x', fin: false })),
    ]);
    for (const peer of await raw()) {
      peer.socket.write(fragments);
      // Too many fragments (1008), or too many bytes (1009).
      for (;;) {
        const frame = await peer.nextFrame();
        if (frame !== null && frame.opcode !== 8) continue;
        if (frame) expect([1008, 1009]).toContain(frame.payload.readUInt16BE(0));
        break;
      }
    }
    await expectBounded('fragments');
  });

  it.each([
    ['pings', PING],
    ['pongs', PONG],
  ] as const)('gets a bounded buffer for a flood of %s whose answers it does not read', async (what, opcode) => {
    const segment = Buffer.concat(Array.from({ length: 500 }, () => rawFrame({ opcode, payload: Buffer.alloc(125) })));
    for (const peer of await raw(4)) await flood(peer, segment, 16 * MIB);
    await expectBounded(what);
    for (const [n] of peers.entries()) {
      const [connection] = await connectionsOf(server, `raw-${n}`);
      expect(connection?.bufferedBytes ?? 0).toBeLessThan(2 * MIB);
    }
    for (const peer of peers) peer.reset();
    await withDeadline(Promise.all(peers.map(({ closed }) => closed)), () => 'the resets');
  });
});
