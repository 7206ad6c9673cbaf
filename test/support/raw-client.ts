import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { withDeadline } from './deadline.js';
import { readServerFrame, type ServerFrame } from './raw-frames.js';

/** A peer that writes raw bytes: hand-made handshakes and frames, in pieces, cut off, or reset. */
export class RawClient {
  private received = Buffer.alloc(0);
  private waiting: (() => void)[] = [];
  private isClosed = false;
  readonly closed: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on('error', () => undefined); // 'close' follows.
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.once('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  /** Connects from this local address, and writes nothing. */
  static async connect(port: number, localAddress = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const client = new RawClient(socket);
    await withDeadline(new Promise((resolve) => socket.once('connect', resolve)), () => 'a TCP connection');
    return client;
  }

  /** Connects and shakes hands. */
  static async open(port: number, path: string, headers: Record<string, string> = {}): Promise<RawClient> {
    const client = await RawClient.connect(port);
    await client.write(RawClient.handshake(path, headers));
    await client.until('\r\n\r\n');
    return client;
  }

  static handshake(path: string, headers: Record<string, string> = {}): Buffer {
    const lines = {
      Host: 'localhost',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      ...headers,
    };
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`GET ${path} HTTP/1.1\r\n${head.join('')}\r\n`);
  }

  /** A masked frame [RFC 6455 5.2]; opcode 1 is text. */
  static frame(payload: Buffer, opcode = 1, fin = true): Buffer {
    const mask = randomBytes(4);
    const first = Buffer.from([(fin ? 0x80 : 0) | opcode]);
    let length: Buffer;
    if (payload.length < 126) length = Buffer.from([0x80 | payload.length]);
    else if (payload.length < 65_536) {
      length = Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 255]);
    } else {
      length = Buffer.alloc(9);
      length[0] = 0x80 | 127;
      length.writeBigUInt64BE(BigInt(payload.length), 1);
    }
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]!);
    return Buffer.concat([first, length, mask, masked]);
  }

  async write(bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Waits until this text has come; removes everything up to its end from the input and returns it. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.received.indexOf(text);
      if (at >= 0) {
        const head = this.received.subarray(0, at + text.length).toString();
        this.received = this.received.subarray(at + text.length);
        return head;
      }
      await withDeadline(
        new Promise<void>((resolve) => this.waiting.push(resolve)),
        () => `${JSON.stringify(text)}; what came: ${JSON.stringify(this.received.toString())}`,
      );
    }
  }

  /**
   * Removes the next whole frame of the server from the input and returns it; null when the connection has ended
   * before.
   */
  async nextFrame(): Promise<ServerFrame | null> {
    for (;;) {
      const frame = readServerFrame(this.received);
      if (frame) this.received = this.received.subarray(frame.size);
      if (frame || this.isClosed) return frame;
      await withDeadline(
        new Promise<void>((resolve) => this.waiting.push(resolve)),
        () => `a frame, or the end of the connection; what came: ${this.received.toString('hex')}`,
      );
    }
  }

  private wake(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }
}
