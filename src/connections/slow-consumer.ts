import type { ChatOptions } from '../options/chat.options.js';
import { Hold, type Reading } from './reading.js';

/** How many bytes may wait to be sent to one connection. */
export type BufferLimits = Pick<ChatOptions, 'slowBufferBytes' | 'maxBufferedBytes'>;

/**
 * Whether the peer of a connection reads what it is sent. The socket of a slow consumer is not read, and it gets no
 * broadcasts, until everything that waits has left.
 *
 * | state                | when                                                   | leaves to                                            |
 * | -------------------- | ------------------------------------------------------ | ---------------------------------------------------- |
 * | keeping up           | at most `slowBufferBytes` wait                         | filling: more wait                                   |
 * | filling              | more wait, and the turn that brought it has not ended  | slow: the turn ends; keeping up: all has left        |
 * | slow                 | something of that has not left yet                     | slow for a heartbeat: a heartbeat; keeping up        |
 * | slow for a heartbeat | a heartbeat came since, and not everything has left    | keeping up: all has left                             |
 *
 * It decides and holds the socket; the connection closes itself when this says so.
 */
export class SlowConsumer {
  private state: 'keeping up' | 'filling' | 'slow' | 'slow for a heartbeat' = 'keeping up';
  /** How many bytes waited at the end of the turn that brought too much. */
  private bytesAtFirst = 0;

  constructor(
    private readonly reading: Reading,
    private readonly limits: BufferLimits,
  ) {}

  get isSlow(): boolean {
    return this.state !== 'keeping up';
  }

  /** A broadcast is skipped when this many bytes wait: it would be worth nothing later. */
  skipsBroadcasts(bufferedBytes: number): boolean {
    return bufferedBytes > this.limits.slowBufferBytes;
  }

  /** Something was written, behind which so many bytes wait. Returns true when that makes the peer a slow consumer. */
  handleWrite(bufferedBytes: number): boolean {
    if (this.state !== 'keeping up' || bufferedBytes <= this.limits.slowBufferBytes) return false;
    this.state = 'filling';
    this.reading.hold(Hold.SLOW_CONSUMER);
    return true;
  }

  /**
   * A turn has ended, with so many bytes waiting. Returns true when the connection has to be closed: too much waits, and
   * it came while the peer was slow already. What one turn alone has brought does not count, or even a fast reader could
   * never get a long message, or a backlog of them.
   */
  handleEndOfTurn(bufferedBytes: number): boolean {
    if (this.state === 'keeping up') return false;
    if (this.state === 'filling') {
      this.state = 'slow';
      this.bytesAtFirst = bufferedBytes;
      return false;
    }
    const { slowBufferBytes, maxBufferedBytes } = this.limits;
    return bufferedBytes > maxBufferedBytes && bufferedBytes > this.bytesAtFirst + slowBufferBytes;
  }

  /** Everything that waited has left. */
  handleDrain(): void {
    this.state = 'keeping up';
    this.reading.release(Hold.SLOW_CONSUMER);
  }

  /** Returns true when the peer was slow for the whole time since the last heartbeat, so that it counts as dead. */
  handleHeartbeat(): boolean {
    if (this.state === 'slow for a heartbeat') return true;
    if (this.state === 'slow') this.state = 'slow for a heartbeat';
    return false;
  }
}
