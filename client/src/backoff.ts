const STEADY_MS = 10_000;

export const randomUpTo = (ms: number): number => Math.random() * ms;

/** How long to wait before the next try: at random, up to twice as long each time, so that clients never come together. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
  ) {}

  /** Whether nothing has failed since a connection worked. */
  get isFresh(): boolean {
    return this.#failures === 0;
  }

  next(): number {
    const most = Math.min(this.maxMs, this.minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return randomUpTo(most);
  }

  /** A connection that lasted so long worked. */
  lasted(ms: number): void {
    if (ms >= STEADY_MS) this.#failures = 0;
  }
}
