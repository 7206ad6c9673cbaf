import { positionOf, positionText } from './position.js';

describe('a position on the wire', () => {
  const numbers = [0, 1, 31, 32, 4_095, 4_096, 60_274_800_000 * 4_096, Number.MAX_SAFE_INTEGER];

  it('comes back as the number that it was', () => {
    expect(numbers.map((number) => positionOf(positionText(number)))).toEqual(numbers);
  });

  it('sorts as text in the order of the numbers', () => {
    const texts = numbers.map(positionText);
    expect([...texts].reverse().sort()).toEqual(texts);
  });

  it.each([undefined, null, 5, '', '0', '0000000000w', '0000000000A', 'vvvvvvvvvvv', '000000000001', ' 00000000001'])(
    'is not %p',
    (written) => {
      expect(positionOf(written)).toBeNull();
    },
  );
});
