import { TokenBucket } from './token-bucket.js';

describe('TokenBucket', () => {
  it('gives a burst at once and then its rate', () => {
    const bucket = new TokenBucket(20, 60, 0);
    const taken = (now: number, tries: number) =>
      Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;
    expect(taken(0, 100)).toBe(60);
    expect(taken(49, 100)).toBe(0);
    expect(taken(50, 100)).toBe(1);
    expect(taken(1_050, 100)).toBe(20);
    expect(taken(1_000_000, 100)).toBe(60);
  });

  it.each([1, 3, 7, 20, 999, 5_000])('says in how many milliseconds there is one more, at %d a second', (perSecond) => {
    const bucket = new TokenBucket(perSecond, 1, 0);
    let now = 0;
    for (let n = 0; n < 50; n += 1) {
      while (bucket.take(now)) continue;
      expect(bucket.waitMs).toBeGreaterThanOrEqual(1);
      now += bucket.waitMs;
      expect(bucket.take(now) || (bucket.waitMs === 1 && bucket.take(now + 1))).toBe(true);
    }
    expect(now).toBeLessThanOrEqual(50 * Math.ceil(1_000 / perSecond));
  });

  it('is not upset by a clock that is set back', () => {
    const bucket = new TokenBucket(1, 1, 10_000);
    expect(bucket.take(10_000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(1_000)).toBe(true);
  });
});
