import { ManualClock } from '../../test/support/manual-clock.js';
import { LatePings } from './late-pings.js';

describe('late pings', () => {
  it('come 45 to 50 ms after each message, those that are due together at once, and leave no timer', () => {
    const clock = new ManualClock();
    const start = clock.monotonic();
    const late = new LatePings(clock);
    const asked: [seq: number, afterMs: number][] = [];
    const connection = { askFor: (seq: number) => void asked.push([seq, clock.monotonic() - start]) };
    for (const seq of [1, 2, 3]) {
      late.add(connection, seq); // At 0, 4 and 8 ms.
      clock.advance(4);
    }
    clock.advance(1_000);
    expect(asked).toEqual([
      [1, 50],
      [2, 50],
      [3, 58],
    ]);
    expect(clock.pendingAlarms).toBe(0);
    late.add(connection, 4);
    clock.advance(50);
    expect(asked.at(-1)).toEqual([4, 1_062]);
  });
});
