import { codeOf, findNameFlaw, MAX_USER_NAME_BYTES, parseUserName } from '../src/protocol/user-name.js';
import { NAME_TEXTS } from './texts.js';

/** A name in the server's spelling, or why it is not one, in a sentence. */
export type ReadName =
  { readonly name: string; readonly problem: null } | { readonly name: null; readonly problem: string };

/** Reads a name as the server does, which says no reason why it refuses one. */
export function readName(raw: string): ReadName {
  const name = parseUserName(raw);
  return name === null ? { name, problem: problemOf(raw) } : { name, problem: null };
}

function problemOf(raw: string): string {
  const flaw = findNameFlaw(raw);
  if (flaw === null || flaw.kind === 'empty') return NAME_TEXTS.empty;
  if (flaw.kind === 'too-long') return NAME_TEXTS.tooLong(flaw.bytes, MAX_USER_NAME_BYTES);
  if (flaw.kind === 'folder') return NAME_TEXTS.folder;
  const { character } = flaw;
  if (character === '|') return NAME_TEXTS.bar;
  if (/\p{Z}/u.test(character)) return NAME_TEXTS.blanks;
  const code = codeOf(character);
  return /[\p{C}\p{DI}]/u.test(character) ? NAME_TEXTS.invisible(code) : NAME_TEXTS.character(character, code);
}
