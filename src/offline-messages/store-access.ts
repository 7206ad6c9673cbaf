import type { Fence } from './fence.js';
import type { SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';

/** The connection of the store, for a room above that has tables of its own there. */
export interface StoreAccess {
  readonly statements: Statements;
  /** A condition of every statement that writes. */
  readonly fence: Fence;
  /** The slots of a node; null for one server. */
  readonly slots: SlotSet | null;
  /** Runs statements between two commits; rejects with STORE_UNAVAILABLE when they fail. */
  inTurn<Result>(run: () => Promise<Result>): Promise<Result>;
  /** The same for statements that may delete or rewrite many rows; rejects, too, when the disk has no room for that. */
  changeInTurn<Result>(run: () => Promise<Result>): Promise<Result>;
}
