import { systemClock, type Clock } from '../../src/options/clock.js';

/** A clock that runs faster than time by this factor, for what waits for seconds and works with real servers. */
export const fastClock = (factor: number): Clock => ({
  now: () => Date.now(),
  monotonic: () => systemClock.monotonic() * factor,
  after: (ms, callback) => systemClock.after(ms / factor, callback),
});
