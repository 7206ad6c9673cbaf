import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { spread, type SlotRow } from './spread.js';

const row = (slot: number, node: number | null, wanted: number | null = null): SlotRow => ({ slot, node, wanted });
const free = (count: number) => Array.from({ length: count }, (_, slot) => row(slot, null));
const node = (id: number, isLeaving = false) => ({ id, isLeaving, release: '1' });
const apply = (rows: readonly SlotRow[], changes: readonly SlotRow[]) =>
  rows.map((each) => changes.find(({ slot }) => slot === each.slot) ?? each);
/** Every owner hands over what is wanted. */
const handOver = (rows: readonly SlotRow[]) =>
  rows.map(({ slot, node: owner, wanted }) => row(slot, wanted ?? owner, null));
const counts = (rows: readonly SlotRow[], ids: readonly number[]) =>
  ids.map((id) => rows.filter((each) => each.node === id).length);

describe('spread', () => {
  it('gives slots without an owner to the nodes with fewest', () => {
    expect(spread(free(2), [node(1), node(2)], 16)).toEqual([row(0, 1), row(1, 2)]);
  });

  it('lets a new node wish for its share, not more than may be on their way at once', () => {
    const rows = free(64).map(({ slot }) => row(slot, 1));
    const changes = spread(rows, [node(1), node(2)], 16);
    expect(changes).toEqual(rows.slice(0, 16).map(({ slot }) => row(slot, 1, 2)));
    expect(spread(apply(rows, changes), [node(1), node(2)], 16)).toEqual([]);
  });

  it('clears wishes that name a dead node, and gives what the dead one had', () => {
    expect(spread([row(0, 1, 3), row(1, 3), row(2, 1)], [node(1), node(2)], 16)).toEqual([row(0, 1), row(1, 2)]);
  });

  it('gives a dead node’s slot to the one that wanted it', () => {
    expect(spread([row(0, 3, 1), row(1, 2)], [node(1), node(2)], 16)).toEqual([row(0, 1)]);
  });

  it('wishes all slots of a leaving node away, also those that were wanted for another one that leaves', () => {
    expect(spread([row(0, 1), row(1, 1, 2)], [node(1, true), node(2, true), node(3)], 1)).toEqual([
      row(0, 1, 3),
      row(1, 1, 3),
    ]);
  });

  it('leaves slots where they are when nobody stays', () => {
    expect(spread([row(0, 1), row(1, null), row(2, 2, 1)], [node(1, true)], 16)).toEqual([row(2, null)]);
  });

  it('comes to the same number everywhere, or one more, from any table', () => {
    const ids = fc.constantFrom(null, 1, 2, 3, 4, 5);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(ids, ids), { minLength: 1, maxLength: 40 }),
        fc.uniqueArray(fc.constantFrom(1, 2, 3, 4, 5), { minLength: 1 }),
        fc.nat(5),
        fc.integer({ min: 1, max: 5 }),
        (slots, living, leavingId, atOnce) => {
          const nodes = living.map((id) => node(id, id === leavingId && living.length > 1));
          const staying = nodes.filter(({ isLeaving }) => !isLeaving).map(({ id }) => id);
          let rows = slots.map(([owner, wanted], slot) => row(slot, owner, wanted));
          for (let round = 0; round < 100; round += 1) {
            const changes = spread(rows, nodes, atOnce);
            if (changes.length === 0 && rows.every(({ wanted }) => wanted === null)) break;
            rows = apply(rows, changes);
            for (const { node: owner, wanted } of rows) {
              expect(living).toContain(owner);
              expect([null, ...staying]).toContain(wanted);
            }
            rows = handOver(rows);
          }
          expect(spread(rows, nodes, atOnce)).toEqual([]);
          const shares = counts(rows, staying);
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBe(rows.length);
        },
      ),
      { numRuns: 300, seed: SEED },
    );
  });
});
