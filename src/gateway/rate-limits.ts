import { TokenBucket } from '../connections/token-bucket.js';
import type { ChatOptions } from '../options/chat.options.js';

/** How many seconds' worth of broadcasts may come at once. */
const BROADCAST_BURST_SECONDS = 10;

/**
 * How many times as often as messages the frames may come that bring nothing to send. A client that sends a ping behind
 * each of its frames, to see that it was handled, and pings to keep its connection alive, needs little more than once as
 * many. 100 a second, five times the 20 of the default, cost less than a thousandth of a processor.
 */
const OVERHEAD_FACTOR = 5;

/** How fast the peer of a connection may send; null is no limit. */
export type RateOptions = Pick<ChatOptions, 'clock' | 'framesPerSecond' | 'frameBurst' | 'broadcastsPerSecond'>;

/** How fast the peer of one connection sends, and whether that is too fast. */
export class RateLimits {
  private readonly frames: TokenBucket | null;
  private readonly broadcasts: TokenBucket | null;
  /** Made with the first such frame: most clients send none. */
  private overhead: TokenBucket | null = null;

  constructor(private readonly options: RateOptions) {
    const { clock, framesPerSecond, frameBurst, broadcastsPerSecond } = options;
    const now = clock.now();
    this.frames = framesPerSecond === null ? null : new TokenBucket(framesPerSecond, frameBurst, now);
    this.broadcasts =
      broadcastsPerSecond === null
        ? null
        : new TokenBucket(broadcastsPerSecond, broadcastsPerSecond * BROADCAST_BURST_SECONDS, now);
  }

  /** Takes one message. Returns 0 when it may be handled now, or else in how many milliseconds to ask again. */
  takeFrame(): number {
    return !this.frames || this.frames.take(this.options.clock.now()) ? 0 : this.frames.waitMs;
  }

  /** Takes one broadcast. Returns false when there are too many. */
  takeBroadcast(): boolean {
    return !this.broadcasts || this.broadcasts.take(this.options.clock.now());
  }

  /**
   * Takes one frame that brings nothing to send: a ping, a pong that nobody asked for, an ack that confirms nothing, or a
   * frame that can't be decoded. Returns false when there are too many.
   */
  takeOverhead(): boolean {
    const { clock, framesPerSecond, frameBurst } = this.options;
    if (framesPerSecond === null) return true;
    const now = clock.now();
    this.overhead ??= new TokenBucket(framesPerSecond * OVERHEAD_FACTOR, frameBurst * OVERHEAD_FACTOR, now);
    return this.overhead.take(now);
  }
}
