import { JOIN_NEXT, JOIN_PREVIOUS, VIRAMAS } from './joining-letters.js';

/** Longest user name, in bytes of UTF-8 [protocol 1]. */
export const MAX_USER_NAME_BYTES = 128;

// Characters that cannot be told apart by eye are forbidden, or `bob` would have doubles: control (Cc), invisible
// formatting (Cf), private use (Co), unassigned (Cn) and unpaired surrogates (Cs), and everything that is drawn as
// nothing (DI: variation selectors, fillers; and the blanks of Braille, of notes, of Khitan and of hieroglyphs). For
// the same reason the only blank (Z) is a single U+0020. Decoders write U+FFFD for bytes that were not UTF-8, and
// editors U+FFFC for a picture: two different broken names would become one user.
const FORBIDDEN = new RegExp(
  '[[\\p{C}\\p{DI}\\p{Z}\\u{16FE4}\\u{1D159}\\u{13441}\\u{13442}\\u2800\\uFFFC\\uFFFD\\|]--[\\x20]]|\\x20(?<=\\x20{2})',
  'v',
);

// Browsers resolve these as folders before they send a request: `/pending/bob/../alice` is `/pending/alice` [WHATWG URL
// 4.4].
const FOLDER = /^(\.|%2e){1,2}$/i;

// Printable ASCII without a blank or `|`. Most names are like that; they have one spelling and need no look into the
// tables of Unicode.
const PLAIN = /^[!-{}~]{1,128}$/;

// Signs that can be drawn as text or in colour, and the bases of keycaps. Each gets one spelling, the one that
// keyboards use.
const UNQUALIFIED = new RegExp(
  '[\\p{Emoji}--\\p{Emoji_Presentation}--[0-9#*]](?![\\uFE0E\\uFE0F\\p{Emoji_Modifier}])|[0-9#*](?=\\u20E3)',
  'gv',
);

// Some invisible characters make a visible difference and are allowed there: in the emoji that Unicode lists [UTS 51],
// between letters that would join, and behind a mark that takes the vowel away from a letter, where they decide whether
// the next letter joins [RFC 5892 A.1, A.2; UAX 31 2.3.1]. Marks may stand on such letters. On an emoji they could hide
// what is invisible.
const PARTS = '[\\p{Emoji_Modifier}\\uFE0F\\u20E3\\u{E0020}-\\u{E007F}]*';
const EMOJI = new RegExp(`\\p{Emoji}${PARTS}(?:\\u200D\\p{Emoji}${PARTS})*(?!\\p{M})`, 'gv');
const LISTED = new RegExp('^\\p{RGI_Emoji}$', 'v');
const MARKS = '[\\p{Mn}\\p{Me}]*';
const LETTER_AND_VIRAMA = VIRAMAS.map(([letters, marks]) => `[\\p{Lo}&&[${letters}]]\\p{M}*[${marks}]`);
// A letter of another script would not join anyway, so nobody would see the difference.
const NOT_JOINED = VIRAMAS.map(
  ([letters], index) => `(?<=${LETTER_AND_VIRAMA[index]}\\u200C)(?=[\\p{Lo}&&[${letters}]])`,
);
const JOINER = new RegExp(
  `\\u200C(?:(?<=[${JOIN_NEXT}]${MARKS}\\u200C)(?=${MARKS}[${JOIN_PREVIOUS}])|${NOT_JOINED.join('|')})` +
    `|\\u200D(?<=(?:${LETTER_AND_VIRAMA.join('|')})\\u200D)(?![\\p{M}\\u200C\\u200D])`,
  'gv',
);

/**
 * The only check of user names: for the query of a handshake, the recipient of a frame, and the path and body of a REST
 * call. Returns the name in its only spelling (trimmed, NFC, emoji fully qualified). Returns null if it is not a name:
 * if it is empty, longer than 128 bytes, `.` or `..`, or if it has a `|`, a control character, or a blank or invisible
 * character that is not allowed there.
 */
export function parseUserName(raw: unknown): string | null {
  if (typeof raw !== 'string' || raw.length > MAX_USER_NAME_BYTES * 4) return null;
  if (PLAIN.test(raw)) return isFolder(raw) ? null : raw;
  const name = spelled(raw);
  return isShort(name) && !isFolder(name) && forbiddenIn(name) === null ? name : null;
}

/** What a valid user name is, for error texts. */
export const USER_NAME_RULE =
  'a user name is 1 to 128 bytes of UTF-8 without "|", control or invisible characters, or blanks but single spaces, and not "." or ".."';

/**
 * Returns the rule together with the code of the forbidden character in this name, which nobody can see. It never
 * quotes the name.
 */
export function explainUserName(raw: unknown): string {
  const flaw = typeof raw === 'string' ? findNameFlaw(raw) : null;
  return flaw?.kind === 'character' ? `${USER_NAME_RULE}; this one has ${codeOf(flaw.character)}` : USER_NAME_RULE;
}

/** The code of a character, such as `U+200B`. */
export function codeOf(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Why a text is not a user name. */
export type NameFlaw =
  | { readonly kind: 'empty' }
  | { readonly kind: 'folder' }
  /** `bytes` is null where the text is so long that nobody counts. */
  | { readonly kind: 'too-long'; readonly bytes: number | null }
  | { readonly kind: 'character'; readonly character: string };

/** Returns what is wrong with this name; null if it is valid. */
export function findNameFlaw(raw: string): NameFlaw | null {
  if (raw.length > MAX_USER_NAME_BYTES * 4) return { kind: 'too-long', bytes: null };
  const name = spelled(raw);
  if (name === '') return { kind: 'empty' };
  const bytes = byteLength(name);
  if (bytes > MAX_USER_NAME_BYTES) return { kind: 'too-long', bytes };
  if (isFolder(name)) return { kind: 'folder' };
  const character = forbiddenIn(name);
  return character === null ? null : { kind: 'character', character };
}

function spelled(raw: string): string {
  const name = raw.trim().normalize('NFC');
  return name.search(UNQUALIFIED) < 0 ? name : name.replace(UNQUALIFIED, '$&\uFE0F');
}

function isShort(name: string): boolean {
  return name !== '' && byteLength(name) <= MAX_USER_NAME_BYTES;
}

const encoder = new TextEncoder();

/** The page at `/` checks names with this file too, and browsers have no Buffer. */
function byteLength(name: string): number {
  return encoder.encode(name).length;
}

function isFolder(name: string): boolean {
  return (name.startsWith('.') || name.startsWith('%')) && FOLDER.test(name);
}

/** Returns the first character that is not allowed where it is; null if all are. */
function forbiddenIn(name: string): string | null {
  if (!FORBIDDEN.test(name)) return null;
  const rest = name.replace(EMOJI, (emoji) => (isListed(emoji) ? '_' : emoji)).replace(JOINER, '_');
  return FORBIDDEN.exec(rest)?.[0] ?? null;
}

/** Emoji that were found before: looking one up takes a while, as there are thousands. */
const listed = new Set<string>();

function isListed(emoji: string): boolean {
  if (listed.has(emoji)) return true;
  if (!FORBIDDEN.test(emoji) || !LISTED.test(emoji)) return false;
  listed.add(emoji);
  return true;
}
