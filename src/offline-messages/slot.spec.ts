import { createHash } from 'node:crypto';
import { SLOTS, slotOf } from './slot.js';

describe('the slot of a user', () => {
  it('is the same as ever: the first two bytes of the MD5 hash of the name in UTF-8, modulo 1,024', () => {
    // More names than are remembered, each asked for twice.
    const names = ['', 'bob', 'Zoë', '👋', ...Array.from({ length: 9_000 }, (_, n) => `user-${n}`)];
    for (const name of [...names, ...names]) {
      const expected = createHash('md5').update(name).digest().readUInt16BE(0) % SLOTS;
      if (slotOf(name) !== expected) throw new Error(`${name} is in slot ${slotOf(name)} instead of ${expected}`);
    }
    expect(slotOf('bob')).toBe(createHash('md5').update('bob').digest().readUInt16BE(0) % SLOTS);
  });
});
