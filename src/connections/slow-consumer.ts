import type { ChatOptions } from '../options/chat.options.js';
import { Hold, type Reading } from './reading.js';

/** The limits of the bytes that are buffered for one connection. */
export type BufferLimits = Pick<ChatOptions, 'slowBufferBytes' | 'maxBufferedBytes'>;

/**
 * Decides whether the peer of a connection is a slow consumer, which does not read what it is sent. Its socket is not
 * read until everything that is buffered has been sent. It gets no broadcasts while more than `slowBufferBytes` are
 * buffered.
 *
 * | state                | when                                               | leaves to                       |
 * | -------------------- | -------------------------------------------------- | ------------------------------- |
 * | keeping up           | at most `slowBufferBytes` are buffered             | filling: more are buffered      |
 * | filling              | more are buffered, and the turn has not ended      | slow: the turn ends             |
 * | slow                 | some of it is still buffered                       | slow for a heartbeat: it passes |
 * | slow for a heartbeat | a heartbeat came, and some of it is still buffered |                                 |
 *
 * When everything has been sent, every state leaves to keeping up. This class only decides and holds the socket; the
 * connection closes itself when told so here.
 */
export class SlowConsumer {
  private state: 'keeping up' | 'filling' | 'slow' | 'slow for a heartbeat' = 'keeping up';
  /** How many bytes were buffered at the end of the turn that brought too much. */
  private bytesAtFirst = 0;

  constructor(
    private readonly reading: Reading,
    private readonly limits: BufferLimits,
  ) {}

  get isSlow(): boolean {
    return this.state !== 'keeping up';
  }

  /** Returns whether a broadcast is skipped with this many bytes buffered. It would be worth nothing later. */
  skipsBroadcasts(bufferedBytes: number): boolean {
    return bufferedBytes > this.limits.slowBufferBytes;
  }

  /**
   * Notes that something was written, after which this many bytes are buffered. Returns true if that makes the peer a
   * slow consumer.
   */
  handleWrite(bufferedBytes: number): boolean {
    if (this.state !== 'keeping up' || bufferedBytes <= this.limits.slowBufferBytes) return false;
    this.state = 'filling';
    this.reading.hold(Hold.SLOW_CONSUMER);
    return true;
  }

  /**
   * Notes that a turn has ended, with this many bytes buffered. Returns true if the connection has to be closed: too
   * much is buffered, and it came when the peer was slow already. What a single turn has written does not count.
   * Otherwise even a fast reader could never get a long message or a backlog.
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

  /** Notes that everything that was buffered has been sent. */
  handleAllSent(): void {
    this.state = 'keeping up';
    this.reading.release(Hold.SLOW_CONSUMER);
  }

  /** Notes a heartbeat. Returns true if the peer was slow for a whole heartbeat, so that it counts as dead. */
  handleHeartbeat(): boolean {
    if (this.state === 'slow for a heartbeat') return true;
    if (this.state === 'slow') this.state = 'slow for a heartbeat';
    return false;
  }
}
