import { ManualClock } from '../../test/support/manual-clock.js';
import { TakeOvers } from './take-overs.js';

describe('take-overs', () => {
  it('may be five of one name in any ten seconds', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 5; n += 1) {
      expect(takeOvers.add('bob')).toBeNull();
      clock.advance(1_000);
    }
    expect(takeOvers.add('bob')).toBe(5_000);
    expect(takeOvers.add('alice')).toBeNull();
    clock.advance(4_999);
    expect(takeOvers.add('bob')).toBe(1);
    clock.advance(1);
    expect(takeOvers.add('bob')).toBeNull();
    expect(takeOvers.add('bob')).toBe(1_000);
  });

  it('are forgotten when they are over, and of more than 10,000 names', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 10_500; n += 1) takeOvers.add(`user-${n}`);
    expect(takeOvers.size).toBe(10_000);
    clock.advance(10_000);
    takeOvers.add('bob');
    expect(takeOvers.size).toBe(1);
  });

  it('are forgotten of the name that was taken over longest ago, when there are too many names', () => {
    const takeOvers = new TakeOvers(new ManualClock());
    takeOvers.add('bob');
    for (let n = 1; n < 10_000; n += 1) takeOvers.add(`user-${n}`);
    for (let n = 0; n < 4; n += 1) takeOvers.add('bob');
    takeOvers.add('one more');
    expect(takeOvers.size).toBe(10_000);
    expect(takeOvers.add('bob')).not.toBeNull();
  });

  it('keep nobody out for longer when the clock is set back', () => {
    const clock = new ManualClock();
    const takeOvers = new TakeOvers(clock);
    for (let n = 0; n < 5; n += 1) takeOvers.add('bob');
    const now = clock.now();
    clock.now = () => now - 3_600_000;
    expect(takeOvers.add('bob')).toBeNull();
  });
});
