import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Clock } from '../options/clock.js';

/** Why a socket is not read; several of them may hold at once. */
export const Hold = {
  /** The welcome has not been written. */
  OPENING: 1,
  /** The peer does not read what it is sent. */
  SLOW_CONSUMER: 2,
  /** No more of what the peer sends may wait. */
  QUEUE: 4,
  /** The server is about to close the connection, as it goes away. */
  DRAIN: 8,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** How many bytes a look reads in the middle of a hold: as many as one read of the socket brings. */
const LOOK_BYTES = 64 * 1024;

/** How long a peer has to end its side, from when its close frame has left, in milliseconds. */
const HANG_UP_MS = 1_000;
/** How many bytes of a peer are still read meanwhile. A close frame fits into them many times; a flood is not read. */
const HANG_UP_BYTES = 16 * 1024;

/** Whether the socket of a connection is read. */
export class Reading {
  /** The reasons that hold, as bits. */
  private holds = 0;
  private heldSinceBeat = false;
  /** Whether the socket was read in the middle of this hold. `under way`: it is read until enough has come. */
  private look: 'none' | 'under way' | 'done' = 'none';

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
  ) {}

  /** Stops reading until it is released from this and every other hold. */
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

  /** Reads again, whatever holds: a socket that is not read does not get the peer's close frame. */
  releaseAll(): void {
    this.holds = 0;
    this.look = 'none';
    this.socket.resume();
  }

  get isHeld(): boolean {
    return this.holds !== 0;
  }

  /** Whether another reason than this one holds. */
  isHeldBut(why: Hold): boolean {
    return (this.holds & ~why) !== 0;
  }

  /** Whether everything that came since the last call was read as it came. */
  beat(): boolean {
    const wasRead = !this.heldSinceBeat;
    this.heldSinceBeat = this.isHeld;
    return wasRead;
  }

  /** Reads some bytes in the middle of a hold. Returns false when that was done, or began, earlier in this hold. */
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
   * Ends the connection behind the close frame that was written, and parses nothing more of what comes. A peer that
   * answers the close frame is gone at once; one that goes on to write is not even read. If the socket were destroyed at
   * once, the peer might not get the close frame: a socket with unread bytes is reset.
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
