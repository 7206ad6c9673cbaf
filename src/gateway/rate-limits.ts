import type { ChatOptions } from '../options/chat.options.js';
import { TokenBucket } from '../connections/token-bucket.js';

/** So many broadcasts may come at once as in so many seconds. */
const BROADCAST_BURST = 10;

/**
 * Frames that bring nothing to send may come so many times as often as those that do. A client that asks with a ping
 * behind each of its frames whether it was handled, and pings to keep its connection alive, needs little more than once
 * as many; and 100 a second, five times the 20 of the default, cost less than a thousandth of a processor.
 */
const OVERHEAD_FACTOR = 5;

/** How fast the peer of a connection may send; null is no limit. */
export type PaceLimits = Pick<ChatOptions, 'framesPerSecond' | 'frameBurst' | 'broadcastsPerSecond'>;

/** How fast the peer of one connection sends, and whether that is too fast. */
export class RateLimits {
  private readonly frames: TokenBucket | null;
  private readonly broadcasts: TokenBucket | null;
  /** Made with the first such frame: most clients send none. */
  private overhead: TokenBucket | null = null;

  constructor(
    private readonly limits: PaceLimits,
    private readonly time: { now(): number },
  ) {
    const { framesPerSecond, frameBurst, broadcastsPerSecond } = limits;
    const now = time.now();
    this.frames = framesPerSecond === null ? null : new TokenBucket(framesPerSecond, frameBurst, now);
    this.broadcasts =
      broadcastsPerSecond === null
        ? null
        : new TokenBucket(broadcastsPerSecond, broadcastsPerSecond * BROADCAST_BURST, now);
  }

  /** Takes a message's turn: 0 when it may be taken now, or else in how many milliseconds to ask again. */
  takeFrame(): number {
    return !this.frames || this.frames.take(this.time.now()) ? 0 : this.frames.waitMs;
  }

  /** Says whether a broadcast may come now. */
  takeBroadcast(): boolean {
    return !this.broadcasts || this.broadcasts.take(this.time.now());
  }

  /** Says whether a frame may come now that brings nothing to send: a ping, a pong nobody asked for, an ack of nothing, one that can't be read. */
  takeOverhead(): boolean {
    const { framesPerSecond, frameBurst } = this.limits;
    if (framesPerSecond === null) return true;
    const now = this.time.now();
    this.overhead ??= new TokenBucket(framesPerSecond * OVERHEAD_FACTOR, frameBurst * OVERHEAD_FACTOR, now);
    return this.overhead.take(now);
  }
}
