import type { ChatOptions } from '../options/chat.options.js';
import { TokenBucket } from './token-bucket.js';

/** So many broadcasts may come at once as in so many seconds. */
const BROADCAST_BURST = 10;

/** How fast the peer of a connection may send; null is no limit. */
export type PaceLimits = Pick<ChatOptions, 'framesPerSecond' | 'frameBurst' | 'broadcastsPerSecond'>;

/** How fast the peer of one connection sends, and whether that is too fast. */
export class Pace {
  private readonly frames: TokenBucket | null;
  private readonly broadcasts: TokenBucket | null;
  private refusedInARow = 0;

  constructor(
    private readonly limits: PaceLimits,
    now: number,
  ) {
    const { framesPerSecond, frameBurst, broadcastsPerSecond } = limits;
    this.frames = framesPerSecond === null ? null : new TokenBucket(framesPerSecond, frameBurst, now);
    this.broadcasts =
      broadcastsPerSecond === null
        ? null
        : new TokenBucket(broadcastsPerSecond, broadcastsPerSecond * BROADCAST_BURST, now);
  }

  /** Says whether a frame may come now, in milliseconds since 1970. */
  takeFrame(now: number): boolean {
    const may = !this.frames || this.frames.take(now);
    this.refusedInARow = may ? 0 : this.refusedInARow + 1;
    return may;
  }

  /** Says whether a broadcast may come now. */
  takeBroadcast(now: number): boolean {
    return !this.broadcasts || this.broadcasts.take(now);
  }

  /** As many frames were refused in a row as may come at once: the peer takes no notice. */
  get isFlood(): boolean {
    return this.refusedInARow >= this.limits.frameBurst;
  }
}
