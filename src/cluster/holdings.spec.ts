import { Holdings } from './holdings.js';

const row = (slot: number, node: number | null, wanted: number | null = null) => ({ slot, node, wanted });
const NOTHING = { acquired: [], asked: [], lost: [] };

describe('the slots of a node', () => {
  it('are told once, and asked for once', () => {
    const holdings = new Holdings();
    expect(holdings.look([row(0, 1), row(1, 2), row(2, null)], 1)).toEqual({ ...NOTHING, acquired: [0] });
    expect(holdings.look([row(0, 1), row(1, 2, 1), row(2, null)], 1)).toEqual(NOTHING);
    expect(holdings.look([row(0, 1, 2)], 1)).toEqual({ ...NOTHING, asked: [0] });
    expect(holdings.look([row(0, 1, 3)], 1)).toEqual(NOTHING);
  });

  it('are given at once when others want them before the node was told', () => {
    const holdings = new Holdings();
    expect(holdings.look([row(0, 1, 2)], 1)).toEqual(NOTHING);
    expect(holdings.given).toEqual([0]);
  });

  it('are told again when what was given comes back', () => {
    const holdings = new Holdings();
    holdings.look([row(0, 1)], 1);
    holdings.give([0, 7]);
    expect(holdings.given).toEqual([0]);
    expect(holdings.look([row(0, 1)], 1)).toEqual(NOTHING);
    holdings.written([0]);
    expect(holdings.look([row(0, 1)], 1)).toEqual({ ...NOTHING, acquired: [0] });
  });

  it('are lost when they are others’ without having been given', () => {
    const holdings = new Holdings();
    holdings.look([row(0, 1), row(1, 1), row(2, 1)], 1);
    holdings.give([1]);
    expect(holdings.look([row(0, 2), row(1, 2), row(2, null)], 1)).toEqual({ ...NOTHING, lost: [0, 2] });
  });
});
