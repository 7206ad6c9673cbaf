import { jest } from '@jest/globals';

/** Timers that do not fire by themselves. */
export interface HeldTimers {
  fire(): void;
  /** From now on timers are as they were. */
  release(): void;
}

/** Holds the timers of this length, in milliseconds, that are set from now on. */
export function holdTimers(ms: number): HeldTimers {
  const { setTimeout } = globalThis;
  const held: (() => void)[] = [];
  const spy = jest.spyOn(globalThis, 'setTimeout').mockImplementation(((
    callback: (...given: unknown[]) => void,
    after?: number,
    ...args: unknown[]
  ) => {
    if (after !== ms) return setTimeout(callback, after, ...args);
    held.push(() => callback(...args));
    return setTimeout(() => undefined, 0);
  }) as typeof setTimeout);
  return {
    fire: () => held.splice(0).forEach((callback) => callback()),
    release: () => spy.mockRestore(),
  };
}
