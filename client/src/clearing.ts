import { RefusedError } from './api.js';

/** Does all of this, one after the other, also when something fails. Rejects with NOT_CLEARED then. */
export async function clearAll(clearings: readonly (() => Promise<void>)[]): Promise<void> {
  let why = '';
  for (const clear of clearings) await clear().catch((error: unknown) => (why += `: ${String(error)}`));
  if (why) throw new RefusedError('NOT_CLEARED', `something may be left${why}`);
}
