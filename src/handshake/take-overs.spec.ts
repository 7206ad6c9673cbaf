import { ManualClock } from '../../test/support/manual-clock.js';
import { TakeOvers } from './take-overs.js';

describe('take-overs', () => {
  it('may be five of one name in any ten seconds', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 5; n += 1) {
      expect(takeOvers.note('bob')).toBeNull();
      clock.advance(1_000);
    }
    expect(takeOvers.note('bob')).toBe(5_000);
    expect(takeOvers.note('alice')).toBeNull();
    clock.advance(4_999);
    expect(takeOvers.note('bob')).toBe(1);
    clock.advance(1);
    expect(takeOvers.note('bob')).toBeNull();
    expect(takeOvers.note('bob')).toBe(1_000);
  });

  it('are forgotten when they are over, and of more than 10,000 names', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 10_500; n += 1) takeOvers.note(`user-${n}`);
    expect(takeOvers.size).toBe(10_000);
    clock.advance(10_000);
    takeOvers.note('bob');
    expect(takeOvers.size).toBe(1);
  });

  it('keep nobody out for longer when the clock is set back', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 5; n += 1) takeOvers.note('bob');
    const now = clock.now();
    clock.now = () => now - 3_600_000;
    expect(takeOvers.note('bob')).toBeNull();
  });
});
