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

  /** When the next one may go; `now` if it may go at once. */
  nextAt(now: number): number {
    this.#refill(now);
    return this.#tokens >= 1 ? now : now + Math.ceil(((1 - this.#tokens) * SECOND_MS) / this.#perSecond);
  }

  take(now: number): void {
    this.#refill(now);
    this.#tokens -= 1;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / SECOND_MS);
    this.#at = now;
  }
}
