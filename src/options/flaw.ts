/**
 * Returns what is wrong with a text that is a secret, a name or an address; null if nothing is. `echo` and files add a
 * line break at the end, and a blank is easily copied with it. The text is not trimmed, since nobody can tell whether
 * the blank was meant.
 */
export function flawOf(text: string): string | null {
  if (text !== text.trim()) return 'begins or ends with a blank or a line break';
  return /\p{Cc}/u.test(text) ? 'has a line break or another control character in it' : null;
}

/** The remedy for every flaw. */
export const FLAW_REMEDY = 'give it without that, such as from printf instead of echo';
