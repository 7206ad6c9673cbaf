/**
 * Limits how often something may happen: `perSecond` in the long run, `burst` at once. It decides synchronously, as the
 * frames of a connection have to keep their order. The limiters of libraries return promises or use a clock of their
 * own.
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

  /** Takes one token, at this time in milliseconds. Returns false if there is none. */
  take(now: number): boolean {
    // A clock that was set back neither adds nor removes tokens.
    const elapsedMs = Math.max(0, now - this.filledAt);
    this.tokens = Math.min(this.burst, this.tokens + (elapsedMs * this.perSecond) / 1000);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Milliseconds until the next token, after `take` has found none: 1 or more. */
  get waitMs(): number {
    return Math.max(1, Math.ceil(((1 - this.tokens) * 1000) / this.perSecond));
  }
}
