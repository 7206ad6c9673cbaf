import { inNoContext } from './no-context.js';

/** The source of time. Tests use a clock that they turn by hand, so that they never have to wait. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since an arbitrary moment. This clock is never set, so it measures the time between two readings. */
  monotonic(): number;
  /**
   * Calls back once after this many milliseconds, without keeping the process alive. Returns a function that cancels
   * it.
   */
  after(ms: number, callback: () => void): () => void;
}

/** A time by a clock that is known inexactly, in milliseconds since 1970. */
export interface Moment {
  readonly at: number;
  /** By how much it may be wrong either way, in milliseconds. */
  readonly errorMs: number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    const timer = inNoContext(() => setTimeout(callback, ms));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Returns what the work resolves to. If that takes longer than this many milliseconds, rejects with the error that
 * `onLate` returns.
 */
export async function within<Result>(
  clock: Clock,
  ms: number,
  work: Result | Promise<Result>,
  onLate: () => Error,
): Promise<Result> {
  if (typeof (work as PromiseLike<Result> | null | undefined)?.then !== 'function') return work;
  let cancel: () => void = () => undefined;
  const deadline = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => reject(onLate()));
  });
  return Promise.race([work, deadline]).finally(cancel);
}
