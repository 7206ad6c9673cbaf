import { SLOTS } from '../offline-messages/slot.js';
import type { SlotRow } from './spread.js';

/** What a look at the table changes for this node. */
export interface HoldingChanges {
  /** The node has these slots from now on. */
  readonly acquired: readonly number[];
  /** Another node is to have these slots, which this node has. */
  readonly asked: readonly number[];
  /** Slots that this node had were taken from it, without it having given them. */
  readonly lost: readonly number[];
}

/**
 * The slots of this node, each in a state.
 *
 * | state | meaning                                                        | left by                             |
 * | ----- | -------------------------------------------------------------- | ----------------------------------- |
 * | had   | the node was told that it has the slot                         | `look`: wanted, `give`              |
 * | asked | the node was told that another one is to have it               | `give`                              |
 * | given | the node has stopped serving it, and the table is to say so    | `written`, after the change         |
 *
 * A slot without a state is not this node's. One that is wanted before the node was told of it is given at once: if the
 * node waited until it served the slot, nobody might serve it for long.
 */
export class Holdings {
  private readonly states = new Map<number, 'had' | 'asked' | 'given'>();

  /** Compares the table with what the node was told. */
  look(rows: readonly SlotRow[], self: number): HoldingChanges {
    const acquired: number[] = [];
    const asked: number[] = [];
    const lost: number[] = [];
    for (const { slot, node, wanted } of rows) {
      const state = this.states.get(slot);
      if (node !== self) {
        if (state === 'had' || state === 'asked') lost.push(slot);
      } else if (state === undefined) {
        this.states.set(slot, wanted === null ? 'had' : 'given');
        if (wanted === null) acquired.push(slot);
      } else if (state === 'had' && wanted !== null) {
        this.states.set(slot, 'asked');
        asked.push(slot);
      }
    }
    return { acquired, asked, lost };
  }

  /** The node has stopped serving these slots; others than its own are ignored. */
  give(slots: readonly number[]): void {
    for (const slot of slots) if (this.states.has(slot)) this.states.set(slot, 'given');
  }

  /** The slots that the table is to take from this node. */
  get given(): number[] {
    return [...this.states].filter(([, state]) => state === 'given').map(([slot]) => slot);
  }

  /** The table says so now: the slots are others', or this node's once more. */
  written(slots: readonly number[]): void {
    for (const slot of slots) this.states.delete(slot);
  }

  /** The node has nothing any more. */
  clear(): void {
    this.states.clear();
  }

  /** How many slots of the node are left, given ones included. */
  get size(): number {
    return this.states.size;
  }
}

/** The owners of all slots while nobody is known. */
export const NO_OWNERS: readonly null[] = Array.from({ length: SLOTS }, () => null);
