import { TokenBucket } from '../connections/token-bucket.js';
import type { ChatOptions } from '../options/chat.options.js';

/** The burst of broadcasts: those of this many seconds. */
const BROADCAST_BURST_SECONDS = 10;
/** The burst of signals: those of this many seconds. */
const SIGNAL_BURST_SECONDS = 2;

/**
 * How many times the rate of messages is allowed for frames that send nothing. A client that sends a ping behind each
 * frame, and pings to keep its connection alive, needs little more than once that rate. The 100 a second of the default
 * cost less than a thousandth of a processor.
 */
const OVERHEAD_FACTOR = 5;

/** How fast a client may send; null is no limit. */
export type RateOptions = Pick<
  ChatOptions,
  'clock' | 'framesPerSecond' | 'frameBurst' | 'broadcastsPerSecond' | 'signalsPerSecond'
>;

/** The rate limits of one connection. */
export class RateLimits {
  private readonly frames: TokenBucket | null;
  // These are made with the first such frame, since most clients send none.
  private broadcasts: TokenBucket | null = null;
  private signals: TokenBucket | null = null;
  private overhead: TokenBucket | null = null;

  constructor(private readonly options: RateOptions) {
    const { clock, framesPerSecond, frameBurst } = options;
    this.frames = framesPerSecond === null ? null : new TokenBucket(framesPerSecond, frameBurst, clock.now());
  }

  /** Counts one message. Returns 0 if it may be handled now, otherwise the milliseconds after which to ask again. */
  takeFrame(): number {
    return !this.frames || this.frames.take(this.options.clock.now()) ? 0 : this.frames.waitMs;
  }

  /** Counts one broadcast. Returns false if there are too many. */
  takeBroadcast(): boolean {
    const { clock, broadcastsPerSecond: rate } = this.options;
    if (rate === null) return true;
    const now = clock.now();
    this.broadcasts ??= new TokenBucket(rate, rate * BROADCAST_BURST_SECONDS, now);
    return this.broadcasts.take(now);
  }

  /** Counts one signal. Returns false if there are too many. */
  takeSignal(): boolean {
    const { clock, signalsPerSecond: rate } = this.options;
    if (rate === null) return true;
    const now = clock.now();
    this.signals ??= new TokenBucket(rate, rate * SIGNAL_BURST_SECONDS, now);
    return this.signals.take(now);
  }

  /**
   * Counts one frame that sends nothing: a ping, an unsolicited pong, an ack that confirms nothing, a new token, a
   * signal over its rate, or a frame that cannot be decoded. Returns false if there are too many.
   */
  takeOverhead(): boolean {
    const { clock, framesPerSecond, frameBurst } = this.options;
    if (framesPerSecond === null) return true;
    const now = clock.now();
    this.overhead ??= new TokenBucket(framesPerSecond * OVERHEAD_FACTOR, frameBurst * OVERHEAD_FACTOR, now);
    return this.overhead.take(now);
  }
}
