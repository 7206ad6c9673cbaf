/**
 * What is wrong with a text that is a secret, a name or an address: the line break that `echo` and files put behind it,
 * a blank that was copied with it. It is refused and not trimmed, as nobody can tell whether it was meant. Null when
 * nothing is.
 */
export function flawOf(text: string): string | null {
  if (text !== text.trim()) return 'begins or ends with a blank or a line break';
  return /\p{Cc}/u.test(text) ? 'has a line break or another control character in it' : null;
}

/** What to do about a flaw. */
export const FLAW_REMEDY = 'give it without, as from printf rather than echo';
