/** Longest user name, in bytes of UTF-8 [protocol 1]. */
export const MAX_USER_NAME_BYTES = 128;

// Control (Cc), invisible formatting (Cf), private use (Co), unassigned (Cn) and unpaired surrogates (Cs) cannot be
// told apart by eye, nor can what is drawn as nothing whatever its category (DI: variation selectors, fillers; and the
// blank of Braille): `bob` would have doubles. The line and paragraph separators (Zl, Zp) break log lines. U+FFFD is what
// a decoder puts in the place of bytes that were not UTF-8: two different broken names would become one user.
const FORBIDDEN = /[|\uFFFD\u2800\p{C}\p{DI}\p{Zl}\p{Zp}]/u;

// Printable ASCII without a blank or `|`: most names, which have one spelling and need no look at the tables of Unicode.
const PLAIN = /^[!-{}~]{1,128}$/;

/**
 * The one check of user names: the same for the query of a connect, the recipient of a frame, the path of a REST
 * call and its body. Answers the name in its only spelling (trimmed, NFC), or null when it is not a name:
 * empty, over 128 bytes, or with a `|`, a control or an invisible character.
 */
export function parseUserName(raw: unknown): string | null {
  if (typeof raw !== 'string' || raw.length > MAX_USER_NAME_BYTES * 4) return null;
  if (PLAIN.test(raw)) return raw;
  const name = raw.trim().normalize('NFC');
  if (name === '' || Buffer.byteLength(name) > MAX_USER_NAME_BYTES || FORBIDDEN.test(name)) return null;
  return name;
}

/** What a valid user name is, for error texts. */
export const USER_NAME_RULE = 'a user name is 1 to 128 bytes of UTF-8 without "|", control or invisible characters';
