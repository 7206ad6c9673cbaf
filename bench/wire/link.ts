import { connect, type Socket } from 'node:net';
import type { FrameTemplate } from './frame-template.js';

/** What a link tells of what it reads. */
export interface LinkEvents {
  /** The link may send: the handshake and the login are over. */
  onReady(link: Link): void;
  onDelivery(link: Link, seq: number, timeUs: number): void;
  /** The server has accepted the message whose number has these lowest bits. */
  onAck(link: Link, key: number): void;
  /** Everything in one chunk has been reported. */
  onChunkEnd(): void;
  /** The link ended although nobody closed it; with the HTTP status if the handshake was refused. */
  onEnd(link: Link, reason: string): void;
}

/** A chunk is read to its end before the next is asked for, so all links share one buffer. */
const CHUNK = Buffer.allocUnsafe(64 * 1024);

/**
 * One client connection, as cheap as Node allows. Frames are parsed in place, and the replies to one chunk leave in one
 * write.
 */
export abstract class Link {
  /** Deliveries that came, and the number of the last one. */
  received = 0;
  lastSeq = 0;
  /** How often a number was not above the one before. */
  disordered = 0;
  /** The index, given by the scenario, of the flow whose sender or recipient it is. */
  flow = -1;
  private readonly socket: Socket;
  private rest: Buffer | null = null;
  private replies: Buffer[] = [];
  private dropped = false;

  constructor(
    port: number,
    readonly user: string,
    public events: LinkEvents,
  ) {
    const callback = (bytes: number) => {
      this.read(bytes);
      return true;
    };
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer: CHUNK, callback } });
    this.socket.once('connect', () => this.onConnected());
    this.socket.once('error', (error) => this.end(error.message));
    this.socket.once('close', () => this.end('closed'));
  }

  /** Writes `count` messages of one template, numbered from `firstSeq`, in one write. */
  send(template: FrameTemplate, firstSeq: number, count: number, timeUs: number): void {
    const bytes = Buffer.allocUnsafe(template.length * count);
    for (let index = 0; index < count; index += 1)
      template.write(bytes, index * template.length, firstSeq + index, timeUs);
    this.socket.write(bytes);
  }

  /** Resets the connection (RST), as a phone that loses its network does. */
  drop(): void {
    this.dropped = true;
    this.socket.resetAndDestroy();
  }

  delivered(seq: number, timeUs: number): void {
    if (seq <= this.lastSeq) this.disordered += 1;
    this.lastSeq = seq;
    this.received += 1;
    this.events.onDelivery(this, seq, timeUs);
  }

  /** Replies to something in the chunk that is being read. */
  reply(bytes: Buffer): void {
    this.replies.push(bytes);
  }

  protected write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Ends the link because the server broke the protocol. */
  protected fail(reason: string): void {
    this.end(reason);
    this.socket.destroy();
  }

  protected abstract onConnected(): void;

  /** Handles the frame that starts at `at`; returns where the next one starts, or -1 when the frame is not complete. */
  protected abstract take(bytes: Buffer, at: number, end: number): number;

  protected onChunkRead(): void {}

  private read(count: number): void {
    let bytes = CHUNK;
    let end = count;
    if (this.rest) {
      bytes = Buffer.concat([this.rest, CHUNK.subarray(0, count)]);
      end = bytes.length;
      this.rest = null;
    }
    let at = 0;
    while (at < end) {
      const next = this.take(bytes, at, end);
      if (next < 0) break;
      at = next;
    }
    if (at < end) this.rest = Buffer.from(bytes.subarray(at, end));
    this.onChunkRead();
    if (this.replies.length > 0) {
      this.socket.write(this.replies.length === 1 ? this.replies[0]! : Buffer.concat(this.replies));
      this.replies = [];
    }
    this.events.onChunkEnd();
  }

  private end(reason: string): void {
    if (this.dropped) return;
    this.dropped = true;
    this.events.onEnd(this, reason);
  }
}
