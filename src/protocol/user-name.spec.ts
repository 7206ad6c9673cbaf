import { jest } from '@jest/globals';
import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { explainUserName, MAX_USER_NAME_BYTES, parseUserName, USER_NAME_RULE } from './user-name.js';

describe('a user name', () => {
  it.each([
    ['bob', 'bob', 'as it is'],
    ['Bob', 'Bob', 'with its case'],
    [' \t\r\nbob\u00a0\u3000 ', 'bob', 'without the space around it'],
    ['\ufeffbob', 'bob', 'without the mark of byte order before it'],
    ['a b', 'a b', 'with the space in it'],
    ['caf\u00e9', 'caf\u00e9', 'composed, as it is'],
    ['cafe\u0301', 'caf\u00e9', 'decomposed, and composed here'],
    ['\u1112\u1161\u11ab', '\ud55c', 'of Hangul letters, and composed here'],
    ['\u212b', '\u00c5', 'with an old sign, and its letter here'],
    ['\uff42\uff4f\uff42', '\uff42\uff4f\uff42', 'in full width, which is another name'],
    ['\u0430lice', '\u0430lice', 'with a letter of another script, which is another name'],
    ['a\u0301\u0302\u0303', '\u00e1\u0302\u0303', 'with many accents'],
    ['\u{1f642}', '\u{1f642}', 'outside the basic plane'],
    ['\u0645\u0631\u06cc\u0645', '\u0645\u0631\u06cc\u0645', 'written from right to left'],
    ['__proto__', '__proto__', 'that objects have'],
    ['constructor', 'constructor', 'that objects have'],
    ['toString', 'toString', 'that objects have'],
    ['...', '...', 'of three dots'],
    ['.a', '.a', 'that begins with a dot'],
    ['../admin', '../admin', 'that looks like a path'],
    ['%2e%2e%2f', '%2e%2e%2f', 'that looks like an escape'],
    ['علی\u200cرضا', 'علی\u200cرضا', 'in Persian, with letters that are not joined'],
    ['می\u200cخواهم', 'می\u200cخواهم', 'in Persian, with letters that are not joined'],
    ['بِ\u200cبِ', 'بِ\u200cبِ', 'with marks on the letters that are not joined'],
    ['ශ්\u200dරී', 'ශ්\u200dරී', 'in Sinhala, with letters that are joined'],
    ['ක්\u200dෂ', 'ක්\u200dෂ', 'in Sinhala, with letters that are joined'],
    ['ജോണ്\u200d', 'ജോണ്\u200d', 'in Malayalam, with a joined form at its end'],
    ['क्\u200cष', 'क्\u200cष', 'in Hindi, with letters that are not joined'],
    ['क़्\u200cष', 'क़्\u200cष'.normalize('NFC'), 'with a dot below a letter that is not joined'],
    ['👨\u200d👩\u200d👧', '👨\u200d👩\u200d👧', 'of a family'],
    ['🏳\ufe0f\u200d🌈', '🏳\ufe0f\u200d🌈', 'of a flag'],
    ['🏳\u200d🌈', '🏳\ufe0f\u200d🌈', 'of a flag, as some write it'],
    ['🤷🏽\u200d♂', '🤷🏽\u200d♂\ufe0f', 'of somebody who shrugs, as some write it'],
    ['Anna ❤\ufe0f', 'Anna ❤\ufe0f', 'with a heart'],
    ['Anna ❤', 'Anna ❤\ufe0f', 'with a heart as text, which is the same'],
    ['1\ufe0f\u20e3', '1\ufe0f\u20e3', 'of a key'],
    ['1\u20e3', '1\ufe0f\u20e3', 'of a key, as some write it'],
    ['☝🏽', '☝🏽', 'of a hand with its colour'],
    [
      '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
      '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
      'of a flag that is spelled in tags',
    ],
    ['🇩🇪', '🇩🇪', 'of a flag'],
    ['*', '*', 'that looks like a pattern'],
    ['x'.repeat(128), 'x'.repeat(128), 'of 128 bytes'],
    ['\u00e9'.repeat(64), '\u00e9'.repeat(64), 'of 128 bytes in 64 characters'],
    ['e\u0301'.repeat(64), '\u00e9'.repeat(64), 'of 128 bytes once it is composed'],
    [` ${'\u{1f642}'.repeat(32)} `, '\u{1f642}'.repeat(32), 'of 128 bytes once it is trimmed'],
  ])('%j is %j: %s', (raw, name) => {
    expect(parseUserName(raw)).toBe(name);
  });

  it.each([
    ['', 'empty'],
    [' \t\n', 'blank'],
    ['\ufeff', 'blank'],
    ['|', 'the delimiter'],
    ['a|b', 'the delimiter'],
    ['a\0', 'NUL'],
    ['a\u0007', 'a control character'],
    ['a\u001b[2J', 'an escape sequence'],
    ['a\nb', 'a line feed'],
    ['a\rb', 'a carriage return'],
    ['a\u007f', 'delete'],
    ['a\u0085b', 'a control character'],
    ['a\u2028b', 'a line separator'],
    ['a\u2029b', 'a paragraph separator'],
    ['a\u00adb', 'a soft hyphen'],
    ['a\u200bb', 'a zero-width space'],
    ['a\u200cb', 'a zero-width non-joiner'],
    ['a\u200db', 'a zero-width joiner'],
    ['a\u2060b', 'a word joiner'],
    ['a\ufeffb', 'a mark of byte order'],
    ['a\u202eb', 'a change of direction'],
    ['a\u2066b', 'a change of direction'],
    ['bob\ufe0f', 'a variation selector'],
    ['bob\u{e0100}', 'a variation selector'],
    ['bob\u034f', 'a joiner that is drawn as nothing'],
    ['bob\u3164', 'a filler that is drawn as nothing'],
    ['bob\uffa0', 'a filler that is drawn as nothing'],
    ['\u115f', 'a filler that is drawn as nothing'],
    ['bob\u2800', 'the blank of Braille'],
    ['bob\u{e0041}', 'a tag'],
    ['bob\ue000', 'private use'],
    ['bob\u0378', 'unassigned'],
    ['\ufffd', 'what stands for bytes that were not UTF-8'],
    ['a\ud800', 'half a character'],
    ['\udc00a', 'half a character'],
    ['x'.repeat(129), '129 bytes'],
    ['x'.repeat(1_000), '1,000 bytes'],
    ['\u00e9'.repeat(65), '130 bytes in 65 characters'],
    [`a${'\u0301'.repeat(1_000)}`, 'a thousand accents'],
    ['.', 'a folder'],
    ['..', 'a folder'],
    [' .. ', 'a folder'],
    ['%2e', 'a folder'],
    ['%2E%2e', 'a folder'],
    ['.%2e', 'a folder'],
    ['%2e.', 'a folder'],
    ['a  b', 'two blanks'],
    ['a   b', 'three blanks'],
    ['a\u00a0b', 'a blank that does not break'],
    ['a\u00a0 b', 'two blanks of two kinds'],
    ['a\u3000b', 'a wide blank'],
    ['a\u1680b', 'a blank of Ogham'],
    ['a\u202fb', 'a narrow blank'],
    ['a\u2009b', 'a thin blank'],
    ['bob\u{1d159}', 'a note without a head'],
    ['bob\u{13441}', 'a blank of hieroglyphs'],
    ['bob\u{16fe4}', 'a filler of Khitan'],
    ['bob\ufffc', 'what stands for a picture'],
    ['علی\u200c', 'a non-joiner with nothing behind it'],
    ['ا\u200cب', 'a non-joiner behind a letter that never joins'],
    ['علی\u200c\u200cرضا', 'two non-joiners'],
    ['علی\u200dرضا', 'a joiner between letters that join'],
    ['क्\u200c', 'a non-joiner at the end'],
    ['क्\u200ca', 'a non-joiner between letters of two scripts'],
    ['क्\u200cب', 'a non-joiner between letters of two scripts that join others'],
    ['क\u200dष', 'a joiner without a virama'],
    ['ක්\u200d\u200dෂ', 'two joiners'],
    ['b\u094d\u200dob', 'a joiner behind a virama on another alphabet'],
    ['👨\u200d🐶', 'emoji that have no picture together'],
    ['👨\u200d', 'a joiner with nothing behind it'],
    ['😀\ufe0f', 'a selector on what has its colour'],
    ['❤\ufe0e', 'a selector of text'],
    ['❤\ufe0f\ufe0f', 'two selectors'],
    ['❤\ufe0f\u0301', 'an accent on an emoji'],
    ['a\ufe0f', 'a selector on a letter'],
    ['1\ufe0f', 'a selector on a digit'],
  ])('%j is none: %s', (raw) => {
    expect(parseUserName(raw)).toBeNull();
  });

  it.each([
    ['a\u200bb', 'U+200B'],
    ['secret\u{e0041}', 'U+E0041'],
    ['secret\u00a0x', 'U+00A0'],
    ['secret\u0007', 'U+0007'],
    ['secret\ud800', 'U+D800'],
    ['secret  name', 'U+0020'],
    ['se|cret', 'U+007C'],
    ['secret❤\u200d', 'U+200D'],
  ])('that is none is refused with the character that it may not have: %j', (raw, character) => {
    expect(explainUserName(raw)).toBe(`${USER_NAME_RULE}; this one has ${character}`);
  });

  it.each(['', 'secret'.repeat(100), '..', 42, null, 'bob'])('%j has no such character', (raw) => {
    expect(explainUserName(raw)).toBe(USER_NAME_RULE);
  });

  it('has nothing that is drawn as nothing, or as a blank, between letters that it means nothing to', () => {
    const taken: string[] = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
      const character = String.fromCodePoint(code);
      if (!/[\p{Cc}\p{Cf}\p{Cs}\p{DI}\p{Z}]/u.test(character) || character === ' ') continue;
      if (parseUserName(`a${character}b`) !== null || parseUserName(`\u5c71${character}\u7530`) !== null)
        taken.push(`U+${code.toString(16)}`);
    }
    expect(taken).toEqual([]);
  });

  it('with something invisible in it is another name to the eye, or none', () => {
    const visible = [
      'a',
      ' ',
      '.',
      '山',
      'ب',
      'ی',
      'ا',
      '\u0650',
      'क',
      'ष',
      '\u094d',
      '\u093e',
      '❤',
      '👨',
      '👩',
      '🏳',
      '🌈',
      '1',
      '\u20e3',
      '🏽',
      '\u0301',
    ];
    const invisible = ['\u200c', '\u200d', '\ufe0f', '\ufe0e', '\u200b', '\u00a0', '  ', '\u{e007f}'];
    const units = fc.array(fc.constantFrom(...visible, ...visible, ...invisible), { maxLength: 12 });
    fc.assert(
      fc.property(units, (written) => {
        const name = parseUserName(written.join(''));
        if (name === null) return;
        expect(parseUserName(name)).toBe(name);
        expect(parseUserName(name.normalize('NFD'))).toBe(name);
        // Checked by hand, one character after the other: every invisible one has its reason on both sides.
        for (const { 0: character, index } of name.matchAll(/\u200c|\u200d|\ufe0f|[\u{e0000}-\u{e0fff}]/gu)) {
          const [before, after] = [name.slice(0, index), name.slice(index + character.length)];
          const reasons = {
            '\u200c': /[कष]\p{M}*$/u.test(before) ? [/\u094d$/, /^[कष]/] : [/[بی]\p{M}*$/u, /^\p{M}*[بای]/u],
            '\u200d': [/([कष]\p{M}*\u094d|👨|👩|🏽|🏳|\ufe0f)$/u, /^((?!\p{M}|\u200c|\u200d).|$)/u],
            '\ufe0f': [/[❤🏳1]$/u, /^(\P{M}|\u20e3|$)/u],
          }[character];
          expect([name, character, reasons?.[0]!.test(before), reasons?.[1]!.test(after)]).toEqual([
            name,
            character,
            true,
            true,
          ]);
        }
        expect(name).not.toMatch(/ {2}|^ | $/);
      }),
      { numRuns: 4_000, seed: SEED },
    );
  });

  it.each([undefined, null, 1, true, {}, ['bob'], { toString: () => 'bob' }])('%p is none', (raw) => {
    expect(parseUserName(raw)).toBeNull();
  });

  it('once read is read as itself, has no space around it, and fits', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom(' ', 'e', '\u0301', '\u030a', 'A', '\u212b', '\u1161', '\u1112', '\u2000', '|'),
      }),
      fc.string({ unit: 'grapheme', minLength: 100, maxLength: 140 }),
    );
    fc.assert(
      fc.property(text, (raw) => {
        const name = parseUserName(raw);
        if (name === null) return;
        expect(parseUserName(name)).toBe(name);
        expect(parseUserName(` ${name.normalize('NFD')}\t`)).toBe(name);
        expect(name).toBe(name.trim());
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(MAX_USER_NAME_BYTES);
        expect(name).not.toMatch(/[|\p{C}]/u);
      }),
      { numRuns: 2_000, seed: SEED },
    );
  });

  it('is told of by a rule that has the limit', () => {
    expect(USER_NAME_RULE).toContain(`1 to ${MAX_USER_NAME_BYTES} bytes`);
  });

  it('is not looked into when it is far too long, however it is made', () => {
    const normalize = jest.spyOn(String.prototype, 'normalize');
    const units = [
      'a',
      ' ',
      '|',
      'e\u0301',
      '\u200b',
      '\ud800',
      '\u0628\u0650',
      'क्',
      '\u094d',
      '❤',
      '👨\u200d',
      '1\u20e3',
    ];
    for (const unit of units) {
      for (const length of [513, 65_536]) {
        expect(parseUserName(unit.repeat(length))).toBeNull();
        expect(explainUserName(`${unit.repeat(length)}\u200c`)).toBe(USER_NAME_RULE);
      }
    }
    expect(normalize).not.toHaveBeenCalled();
    normalize.mockRestore();
  });
});
