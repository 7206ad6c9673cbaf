import type { Emitter } from '../options/emitter.js';

export interface NodeInfo {
  readonly id: number;
  readonly isLeaving: boolean;
  /** The version of the software. */
  readonly release: string;
}

/** What a node knows of the cluster, as its last beat has read it. */
export interface View {
  /** Grows with every change of nodes or owners. */
  readonly version: number;
  readonly nodes: readonly NodeInfo[];
  /** The node that each slot belongs to, by slot; null when it belongs to none. */
  readonly owners: readonly (number | null)[];
}

/**
 * The node's place in the cluster: its row, its lease, and which slots belong to whom. Postgres is the truth; this is
 * what the node knows of it.
 */
export interface Membership {
  /** The id of this node; another one after it was fenced. */
  readonly self: number;
  readonly view: View;
  /** The view has changed. */
  readonly changed: Emitter<View>;
  /** Slots belong to this node from now on; it may serve them when the store has taken them over. */
  readonly acquired: Emitter<readonly number[]>;
  /** Another node is to have these slots: stop serving them, then call `release`. */
  readonly asked: Emitter<readonly number[]>;
  /**
   * The node has lost its row: it owns nothing any more. What it had in memory counts for nothing. It joins again, with
   * a new id, when the listeners have returned.
   */
  readonly fenced: Emitter<void>;
  /** The lease holds, by the monotonic clock: no other node can have taken over. */
  readonly holdsLease: boolean;
  /** The time of Postgres, in milliseconds since 1970, as far as this node knows it. */
  databaseNow(): number;
  /** Gives slots to the node that is to have them; everything of them is committed and forgotten here. */
  release(slots: readonly number[]): Promise<void>;
  /** Asks the others to take all slots of this node; resolves when they have, or nobody is there. */
  leave(): Promise<void>;
  /** Deletes the node's row and ends its session. */
  close(): Promise<void>;
}
