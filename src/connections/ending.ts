import { WebSocket } from 'ws';
import type { Clock } from '../options/clock.js';
import type { Counter } from './counter.js';
import type { PongConfirmation } from './pong-confirmation.js';

/** How long the peer of a healthy connection has to confirm what it got before it is closed, in milliseconds. */
export const CONFIRM_MS = 1_000;

/**
 * How a connection comes to its end.
 *
 * | state     | when                                             | frames from the peer        |
 * | --------- | ------------------------------------------------ | --------------------------- |
 * | open      | this side has not closed it; the peer may have   | are handled                 |
 * | finishing | it gets only replies, and is about to be closed  | are handled                 |
 * | dismissed | the same, and the peer may send nothing any more | only what confirms messages |
 * | closing   | this side has closed it                          | are handled                 |
 * | revoked   | this side has closed it and ignores the peer     | are not handled             |
 *
 * A client can't confirm what comes right before a close frame: it replies to that at once, or is told of both together.
 * So a healthy one gets the time to confirm what it has before it is closed. Otherwise all of that would come again.
 */
export class Ending {
  private state: 'open' | 'finishing' | 'dismissed' | 'closing' | 'revoked' = 'open';
  private confirmedSeq = 0;
  /** Ends the waits for confirmation; null while nobody waits. */
  private settle: (() => void) | null = null;

  constructor(
    private readonly socket: WebSocket,
    /** Knows what was written. */
    private readonly pongs: Pick<PongConfirmation, 'writtenSeq'>,
    /** How many connections the server has closed, by close code. */
    private readonly closedByCode: Counter<number>,
  ) {}

  /** Whether it may be written more than replies. */
  get isOpen(): boolean {
    return this.state === 'open' && this.takesReplies;
  }

  /** Whether no side has sent its close frame. */
  get takesReplies(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Whether its peer may still confirm what it got. */
  get mayConfirm(): boolean {
    return this.state !== 'revoked';
  }

  /** Whether its peer may still send. */
  get maySend(): boolean {
    return this.state !== 'dismissed' && this.state !== 'revoked';
  }

  /** Whether the peer has confirmed all that it got. */
  get isConfirmed(): boolean {
    return this.confirmedSeq >= this.pongs.writtenSeq;
  }

  /** The peer has everything up to this seq. */
  handleConfirmed(seq: number): void {
    this.confirmedSeq = Math.max(this.confirmedSeq, seq);
    if (this.isConfirmed) this.settle?.();
  }

  /** Its socket is closed: nothing is confirmed any more. */
  handleGone(): void {
    this.settle?.();
  }

  /** It is about to be closed. */
  begin(state: 'finishing' | 'dismissed'): void {
    if (this.state === 'open' || this.state === 'finishing') this.state = state;
  }

  /**
   * It is closed with a code of ours. That counts unless the peer or this side has closed it before. Who could not send
   * any more can't go on with it.
   */
  close(state: 'closing' | 'revoked', code: number): void {
    if (this.isUnclosed && this.takesReplies) this.closedByCode.add(code);
    this.state = this.maySend ? state : 'revoked';
  }

  /** `ws` has closed it with this code, because of an invalid frame. */
  handleBadFrame(code: number): void {
    if (!this.isUnclosed) return;
    this.closedByCode.add(code);
    this.state = this.maySend ? 'closing' : 'revoked';
  }

  /** Resolves when all is confirmed, the socket is closing, or this many milliseconds are over. */
  whenConfirmed(clock: Clock, withinMs: number): Promise<void> {
    if (this.isConfirmed || !this.takesReplies) return Promise.resolve();
    return new Promise((resolve) => {
      const { settle: others } = this;
      const cancel = clock.after(withinMs, resolve);
      this.settle = () => {
        cancel();
        resolve();
        others?.();
      };
    });
  }

  /** This side has not closed it. */
  private get isUnclosed(): boolean {
    return this.state !== 'closing' && this.state !== 'revoked';
  }
}
