/**
 * Returns what is wrong with a text that is a secret, a name or an address; null when nothing is. `echo` and files put
 * a line break behind it, and a blank is easily copied with it. It is not trimmed: nobody can tell whether it was meant.
 */
export function flawOf(text: string): string | null {
  if (text !== text.trim()) return 'begins or ends with a blank or a line break';
  return /\p{Cc}/u.test(text) ? 'has a line break or another control character in it' : null;
}

/** What to do about any flaw. */
export const FLAW_REMEDY = 'give it without, as from printf rather than echo';
