import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Why a socket is not read; several of them may hold at once. */
export const Hold = {
  /** The welcome has not been written. */
  OPENING: 1,
  /** The peer does not read what it is written. */
  CHOKED: 2,
  /** No more of what it sends may wait. */
  QUEUE: 4,
  /** The server is about to say goodbye. */
  GOODBYE: 8,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** So much is read in the middle of a hold, in bytes: as much as one read brings. */
const LOOK_BYTES = 64 * 1024;

/** So long a peer has, from when its close frame has left, to end its side as well, in milliseconds. */
const HANG_UP_MS = 1_000;
/** An answer to a close frame fits into it many times; a flood is not read beyond. */
const HANG_UP_BYTES = 16 * 1024;

/** Whether the socket of a connection is read. */
export class Reading {
  private holds = 0;
  private heldSinceBeat = false;
  /** Whether it was read in the middle of this hold; `under way`: it is, until enough has come. */
  private look: 'none' | 'under way' | 'done' = 'none';

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
  ) {}

  /** Stops reading, until it is released from this and every other hold. */
  hold(why: Hold): void {
    if ((this.holds & why) !== 0) return; // And a look goes on.
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

  /** Reads on, whatever was the matter: held, it would not hear the peer's goodbye. */
  releaseAll(): void {
    this.holds = 0;
    this.look = 'none';
    this.socket.resume();
  }

  get isHeld(): boolean {
    return this.holds !== 0;
  }

  /** There is another reason for which it is not read. */
  isHeldBut(why: Hold): boolean {
    return (this.holds & ~why) !== 0;
  }

  /** Says whether everything since it was last asked was read as it came. */
  beat(): boolean {
    const listened = !this.heldSinceBeat;
    this.heldSinceBeat = this.isHeld;
    return listened;
  }

  /** Reads for a while in the middle of a hold; answers false when it has done so, or still does, since the hold began. */
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
   * Ends the connection behind the close frame that was written, and parses nothing more of what comes. Whoever answers the close
   * frame is gone at once; whoever goes on to write is not even read. Cut off at once, it might not get the close frame:
   * a socket that is closed with something unread is reset.
   */
  stop(after: (ms: number, callback: () => void) => () => void): void {
    const { stream } = this;
    let left = HANG_UP_BYTES;
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) stream.pause();
    });
    stream.end(() => {
      if (!stream.destroyed)
        stream.once(
          'close',
          after(HANG_UP_MS, () => stream.destroy()),
        );
    });
    stream.resume();
  }
}
