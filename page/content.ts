/** A part of what somebody wrote: text, or an address that can be opened. */
export interface ContentPart {
  readonly text: string;
  readonly href: string | null;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"'“”‘’«»`\p{C}]+/giu;
const PUNCTUATION = '.,;:!?…*_~';
/** Closing brackets, and what opens them. */
const BRACKETS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
/** Nobody writes longer ones by hand; they stay text. */
const MAX_ADDRESS = 2_048;

/** Longer than that, a message is shown in part first. */
const MAX_CHARACTERS = 1_500;
const MAX_LINES = 20;

export function isLong(content: string): boolean {
  return content.length > MAX_CHARACTERS || content.split('\n', MAX_LINES + 1).length > MAX_LINES;
}

/**
 * Divides what somebody wrote into text and addresses. Only `http:` and `https:` are addresses: other schemes could run
 * code or open programs.
 */
export function partsOf(content: string): readonly ContentPart[] {
  const parts: ContentPart[] = [];
  let done = 0;
  for (const match of content.matchAll(ADDRESS)) {
    const address = withoutPunctuation(match[0]);
    const href = hrefOf(address);
    if (href === null) continue;
    if (match.index > done) parts.push({ text: content.slice(done, match.index), href: null });
    parts.push({ text: address, href });
    done = match.index + address.length;
  }
  if (done < content.length) parts.push({ text: content.slice(done), href: null });
  return parts;
}

/** Without what ends the sentence around an address, and without a bracket that was opened before it. */
function withoutPunctuation(address: string): string {
  const countOf = (character: string) => address.split(character).length - 1;
  const unopened = Object.fromEntries(
    Object.entries(BRACKETS).map(([close, open]) => [close, countOf(close) - countOf(open)]),
  );
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1]!;
    if (PUNCTUATION.includes(last)) continue;
    if ((unopened[last] ?? 0) <= 0) break;
    unopened[last]! -= 1;
  }
  return address.slice(0, end);
}

/** Null for an address that browsers cannot open, and for one with a password: it says another host than it opens. */
function hrefOf(address: string): string | null {
  if (address.length > MAX_ADDRESS || !URL.canParse(address)) return null;
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') return null;
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
}
