const SECOND_MS = 1_000;

/** So many a second, and so many at once. Times are those of `performance.now()`. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;

  /** Without a limit `perSecond` is null: then all may go at once. */
  constructor(perSecond: number | null, burst = 0) {
    this.#perSecond = perSecond ?? 0;
    this.#tokens = this.#burst = perSecond === null ? Infinity : Math.max(1, burst);
  }

  /** When the next one may go, or so many together; `now` if at once. */
  nextAt(now: number, count = 1): number {
    this.#refill(now);
    const lacking = Math.min(count, this.#burst) - this.#tokens;
    return lacking <= 0 ? now : now + Math.ceil((lacking * SECOND_MS) / this.#perSecond);
  }

  take(now: number, count = 1): void {
    this.#refill(now);
    this.#tokens -= count;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / SECOND_MS);
    this.#at = now;
  }
}
