import fc from 'fast-check';
import { MAX_USER_NAME_BYTES, parseUserName, USER_NAME_RULE } from './user-name.js';

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
    ['.', '.', 'of a folder'],
    ['..', '..', 'of a folder'],
    ['../admin', '../admin', 'that looks like a path'],
    ['%2e%2e%2f', '%2e%2e%2f', 'that looks like an escape'],
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
  ])('%j is none: %s', (raw) => {
    expect(parseUserName(raw)).toBeNull();
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
      { numRuns: 2_000 },
    );
  });

  it('is told of by a rule that has the limit', () => {
    expect(USER_NAME_RULE).toContain(`1 to ${MAX_USER_NAME_BYTES} bytes`);
  });

  it('takes no time to check, however it is made', () => {
    const before = performance.now();
    for (const unit of ['a', ' ', '|', 'e\u0301', '\u200b', '\ud800']) parseUserName(unit.repeat(65_536));
    expect(performance.now() - before).toBeLessThan(100);
  });
});
