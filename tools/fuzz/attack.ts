import { connect } from 'node:net';
import { Random } from '../../test/support/crash-random.js';
import { readServerFrame } from '../../test/support/raw-frames.js';
import { fuzzFrame, fuzzHandshake } from './mutations.js';

/** How long a connection may stay open after it was given up, in milliseconds. */
const STUCK_MS = 10_000;

/** Writes mutated frames over many connections at once. The same seed writes the same bytes on its n-th connection. */
export class FuzzAttack {
  frames = 0;
  broken = 0;
  connections = 0;
  /** Connections that the server did not end when the peer had. */
  stuck = 0;
  /** How the connections ended: by HTTP status, by close code, or neither. */
  readonly ends = new Map<string, number>();

  constructor(
    private readonly port: number,
    private readonly seed: number,
    private readonly wanted: number,
  ) {}

  /** Resolves when this number of frames is written, or when `stopped` says that it is useless to go on. */
  async run(upTo: number, sockets: number, stopped: () => boolean): Promise<void> {
    const lane = async () => {
      while (this.frames < upTo && !stopped()) await this.connection();
    };
    await Promise.all(Array.from({ length: sockets }, lane));
  }

  private async connection(): Promise<void> {
    const random = new Random(this.seed + Math.imul((this.connections += 1), 0x9e3779b1));
    const bytes = this.bytesOf(random);
    const isReset = random.between(1, 4) === 1;
    const socket = connect(this.port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => undefined); // 'close' follows.
    const stuck = setTimeout(() => {
      this.stuck += 1;
      socket.destroy();
    }, STUCK_MS);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.once('connect', () => {
        // In two segments, cut anywhere.
        const cut = random.between(0, bytes.length);
        socket.write(bytes.subarray(0, cut));
        setImmediate(() => {
          if (!isReset) socket.end(bytes.subarray(cut));
          else socket.write(bytes.subarray(cut), () => socket.resetAndDestroy());
        });
      });
    });
    clearTimeout(stuck);
    const end = isReset ? 'reset by the peer' : endOf(Buffer.concat(received));
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
  }

  /** A handshake and frames, up to a few behind the first one that is broken. */
  private bytesOf(random: Random): Buffer {
    const handshake = fuzzHandshake(random);
    const parts = [handshake.bytes];
    let left = 12;
    while (left > 0 && this.frames < this.wanted) {
      const { bytes, isBroken } = fuzzFrame(random, handshake.isJson);
      parts.push(bytes);
      this.frames += 1;
      if (isBroken) this.broken += 1;
      left = isBroken ? Math.min(left - 1, random.between(0, 2)) : left - 1;
    }
    return Buffer.concat(parts);
  }
}

/** What the server said last. */
function endOf(received: Buffer): string {
  const body = received.indexOf('\r\n\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(received.toString('latin1', 0, 20))?.[1];
  if (status === undefined) return 'without an answer';
  if (status !== '101') return `HTTP ${status}`;
  let rest = received.subarray(body + 4);
  for (;;) {
    const frame = readServerFrame(rest);
    if (frame === null) return 'without a close frame';
    if (frame.opcode === 8)
      return `closed with ${frame.payload.length > 0 ? frame.payload.readUInt16BE(0) : 'no code'}`;
    rest = rest.subarray(frame.size);
  }
}
