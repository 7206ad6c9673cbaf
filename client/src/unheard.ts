/** Returns the promise. Nobody has to wait for it: what it rejects with is no unhandled rejection. */
export function unheard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
