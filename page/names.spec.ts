import { readName } from './names.js';

describe('a name on the page', () => {
  it.each([
    [' bob ', 'bob'],
    ['علی\u200cرضا', 'علی\u200cرضا'],
    ['👨\u200d👩\u200d👧', '👨\u200d👩\u200d👧'],
    ['cafe\u0301', 'caf\u00e9'],
  ])('%j is read as the server reads it', (raw, name) => {
    expect(readName(raw)).toEqual({ name, problem: null });
  });

  it.each([
    ['', 'Please write a name.'],
    [' \t', 'Please write a name.'],
    ['a|b', 'A name cannot have “|” in it.'],
    ['..', '“.” and “..” cannot be names.'],
    ['a  b', 'A name has single spaces only, and no other kind of blank.'],
    ['a\u00a0b', 'A name has single spaces only, and no other kind of blank.'],
    ['a\u200bb', 'There is an invisible character in this name (U+200B). Delete it, or write the name anew.'],
    ['a\u0007', 'There is an invisible character in this name (U+0007). Delete it, or write the name anew.'],
    ['a\ufffdb', 'A name cannot have “\ufffd” (U+FFFD) in it.'],
    ['é'.repeat(65), 'This name is too long: letters like these take 130 bytes, and a name may have 128.'],
    ['x'.repeat(2_000), 'This name is too long. Please choose a shorter one.'],
  ])('%j is none, and a sentence says why', (raw, problem) => {
    expect(readName(raw)).toEqual({ name: null, problem });
  });
});
