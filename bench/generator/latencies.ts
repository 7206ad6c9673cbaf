const BUCKETS_PER_OCTAVE = 32;

/** A histogram of microseconds whose buckets are 2 % wide. */
export class Latencies {
  private readonly buckets = new Uint32Array(32 * BUCKETS_PER_OCTAVE);
  private count = 0;

  add(us: number): void {
    const bucket = us < 1 ? 0 : Math.floor(Math.log2(us) * BUCKETS_PER_OCTAVE);
    this.buckets[Math.min(bucket, this.buckets.length - 1)]! += 1;
    this.count += 1;
  }

  clear(): void {
    this.buckets.fill(0);
    this.count = 0;
  }

  /** Returns the quantile `part` (0 to 1) in milliseconds; NaN when nothing was measured. */
  quantileMs(part: number): number {
    let left = Math.ceil(this.count * part);
    if (left === 0) return NaN;
    const bucket = this.buckets.findIndex((count) => (left -= count) <= 0);
    return 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE) / 1_000;
  }
}
