import { inNoContext } from './no-context.js';

/** Where the time comes from. Tests bring a clock that they turn by hand, so that none of them has to wait. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since any moment, on a clock that nobody sets: what has passed between two readings. */
  monotonic(): number;
  /** Calls back once after so many milliseconds, which does not keep the process alive. Returns how to cancel it. */
  after(ms: number, callback: () => void): () => void;
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

/** Waits for the work, but no longer than so many milliseconds; then it rejects with what `onLate` returns. */
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
