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

  it('is not upset by a clock that is set back', () => {
    const bucket = new TokenBucket(1, 1, 10_000);
    expect(bucket.take(10_000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(1_000)).toBe(true);
  });
});
