import { ManualClock } from '../../test/support/manual-clock.js';
import { Lease } from './lease.js';

describe('a lease', () => {
  let clock: ManualClock;
  let lease: Lease;
  beforeEach(() => {
    clock = new ManualClock();
    lease = new Lease(clock, 1_000, 5_000);
  });
  /** A beat whose answer takes so long; it tells the time of Postgres in the middle of that. */
  const beat = (roundTripMs: number, offset = 0) => {
    const sentAt = clock.monotonic();
    clock.advance(roundTripMs);
    lease.renew(sentAt, sentAt + roundTripMs / 2 + offset);
  };

  it('counts from before the beat was sent, and not while there was none', () => {
    expect(lease.isFresh).toBe(false);
    beat(2_000);
    clock.advance(2_999);
    expect(lease.isFresh).toBe(true);
    clock.advance(1);
    expect(lease.isFresh).toBe(false);
  });

  it('ends with its session', () => {
    beat(1);
    lease.end();
    expect([lease.isFresh, lease.steadyFor]).toEqual([false, 0]);
  });

  it('is steady for as long as no beat was missed', () => {
    for (let n = 0; n < 4; n += 1) {
      beat(10);
      clock.advance(990);
    }
    expect(lease.steadyFor).toBe(3_990);
    clock.advance(2_000);
    expect(lease.steadyFor).toBe(0);
    beat(10);
    expect(lease.steadyFor).toBe(0);
  });

  it('knows the time of Postgres best from the beat that was answered most quickly, and less well the longer ago that was', () => {
    const offset = () => lease.databaseNow().at - clock.monotonic();
    const errorMs = () => lease.databaseNow().errorMs;
    expect(errorMs()).toBe(Number.MAX_SAFE_INTEGER);
    beat(3_000, 500);
    expect([offset(), errorMs()]).toEqual([500, 1_500]);
    beat(100, 530);
    expect([offset(), errorMs()]).toEqual([530, 50]);
    beat(102, 500);
    expect([offset(), errorMs()]).toEqual([530, 50.102]);
    clock.advance(1_000);
    beat(102, 500);
    expect([offset(), errorMs()]).toEqual([500, 51]);
  });

  it('takes the time of Postgres anew when a clock was set', () => {
    beat(2, 500);
    beat(100, 552);
    expect(lease.databaseNow()).toMatchObject({ at: clock.monotonic() + 552, errorMs: 50 });
  });
});
