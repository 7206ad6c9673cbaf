/**
 * How often something may happen: `perSecond` in the long run, `burst` at once. It decides within the turn, as the frames
 * of one connection have to keep their order. The limiters among the libraries return a promise or have their own clock.
 */
export class TokenBucket {
  private tokens: number;
  private filledAt: number;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    now: number,
  ) {
    this.tokens = burst;
    this.filledAt = now;
  }

  /** Takes one, at this time in milliseconds. Returns false when there is none. */
  take(now: number): boolean {
    // A clock that was set back adds nothing, and takes nothing away.
    const elapsedMs = Math.max(0, now - this.filledAt);
    this.tokens = Math.min(this.burst, this.tokens + (elapsedMs * this.perSecond) / 1000);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** In how many milliseconds there will be one, when `take` has just found none: 1 or more. */
  get waitMs(): number {
    return Math.max(1, Math.ceil(((1 - this.tokens) * 1000) / this.perSecond));
  }
}
