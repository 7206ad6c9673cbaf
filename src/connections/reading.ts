import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Clock } from '../options/clock.js';

/** The reasons not to read a socket. Several may hold at once. */
export const Hold = {
  /** The welcome has not been written. */
  OPENING: 1,
  /** The peer does not read what it is sent. */
  SLOW_CONSUMER: 2,
  /** Too many of its messages wait to be handled. */
  QUEUE: 4,
  /** The server is going away and is about to close the connection. */
  DRAIN: 8,
  /** What it asks of the record waits for an earlier answer. */
  RECORD: 16,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** How many bytes `lookOnce` reads: as many as one read of a socket returns. */
const LOOK_BYTES = 64 * 1024;

/** How long a peer has to end its side after our close frame was sent, in milliseconds. */
const HANG_UP_MS = 1_000;
/** How many bytes are still read meanwhile. A close frame fits into them many times; a flood is not read. */
const HANG_UP_BYTES = 16 * 1024;

/** Decides whether the socket of a connection is read. */
export class Reading {
  /** The reasons that hold, as bits. */
  private holds = 0;
  private heldSinceBeat = false;
  /** Whether `lookOnce` was called during this hold. `under way` means that it still reads. */
  private look: 'none' | 'under way' | 'done' = 'none';

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
  ) {}

  /** Stops reading until this hold and every other one are released. */
  hold(why: Hold): void {
    if ((this.holds & why) !== 0) return; // A look that is under way goes on.
    this.holds |= why;
    this.heldSinceBeat = true;
    this.look = 'none';
    this.socket.pause();
  }

  release(why: Hold): void {
    if ((this.holds & why) === 0) return;
    this.holds &= ~why;
    if (this.holds === 0) this.releaseAll();
  }

  /** Releases every hold. The peer's close frame can only arrive at a socket that is read. */
  releaseAll(): void {
    this.holds = 0;
    this.look = 'none';
    this.socket.resume();
  }

  get isHeld(): boolean {
    return this.holds !== 0;
  }

  /** Whether this reason holds. */
  isHeldFor(why: Hold): boolean {
    return (this.holds & why) !== 0;
  }

  /** Whether another reason than these holds. */
  isHeldBut(why: number): boolean {
    return (this.holds & ~why) !== 0;
  }

  /** Returns whether the socket was read all the time since the last call. */
  beat(): boolean {
    const wasRead = !this.heldSinceBeat;
    this.heldSinceBeat = this.isHeld;
    return wasRead;
  }

  /** Reads some bytes in the middle of a hold. Returns false if that was already done or begun in this hold. */
  lookOnce(): boolean {
    if (this.look !== 'none') return false;
    this.look = 'under way';
    let left = LOOK_BYTES;
    const onData = (chunk: Buffer) => {
      left -= chunk.length;
      if (this.look === 'under way' && left > 0) return;
      this.stream.off('data', onData);
      if (this.look !== 'under way') return;
      this.look = 'done';
      this.socket.pause();
    };
    this.stream.on('data', onData);
    this.socket.resume();
    return true;
  }

  /**
   * Ends the connection after the close frame that was written, and parses nothing more. A peer that replies to the
   * close frame is gone at once. A peer that goes on to write is not even read. If the socket were destroyed at once,
   * the peer might not get the close frame: a socket with unread bytes is reset.
   */
  stop(clock: Clock): void {
    const { stream } = this;
    let left = HANG_UP_BYTES;
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) stream.pause();
    });
    stream.end(() => {
      if (stream.destroyed) return;
      const cancel = clock.after(HANG_UP_MS, () => stream.destroy());
      stream.once('close', cancel);
    });
    stream.resume();
  }
}
