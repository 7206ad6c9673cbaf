import type { Moment } from '../options/clock.js';
import type { Emitter } from '../options/emitter.js';

export interface NodeInfo {
  readonly id: number;
  /** It takes no slots: it leaves, stands aside, or has only just joined. */
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
 * Where a node stands.
 *
 * | state    | meaning                                                                       | left by                    |
 * | -------- | ----------------------------------------------------------------------------- | -------------------------- |
 * | starting | it has not joined yet                                                         | `join`                     |
 * | joined   | it has its row, and no slots: nobody here listens yet                         | `begin`, `leave`           |
 * | member   | it has its row, and takes its share of the slots                              | `leave`, a lost row, aside |
 * | aside    | it does not hear others, which beat: it has handed over, and is not ready     | hearing them, `leave`      |
 * | leaving  | the others are to take its slots                                              | `close`, a lost row        |
 * | fenced   | another node took over: it owns nothing, and joins again with a new id        | joining                    |
 * | closed   | it has no row                                                                 |                            |
 */
export type MembershipState = 'starting' | 'joined' | 'member' | 'aside' | 'leaving' | 'fenced' | 'closed';

/** What the nodes of a cluster share, and nobody else knows. */
export interface ClusterSecret {
  /** Names the cluster; channels of a bus carry it. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** What membership asks of the links to other nodes. */
export interface Peers {
  /**
   * For how long no frame came over an open link to that node, in milliseconds; Infinity if there is none, and after its
   * goodbye. What else arrives from it does not count: a node that is not heard must not believe that it is.
   */
  silenceOf(node: number): number;
  /** The highest version of the membership that a peer has told, strangers included. */
  readonly newestVersion: number;
  /**
   * Has a node that is heard, but does not beat, call `yield` of its membership; resolves to what that returned. Rejects
   * when the link breaks, or no answer comes.
   */
  askToYield(node: number): Promise<boolean>;
}

/**
 * The node's place in the cluster: its row, its lease, and which slots belong to whom. Postgres is the truth; this is
 * what the node knows of it.
 */
export interface Membership {
  readonly state: MembershipState;
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
  /** The time of Postgres, as far as this node knows it. */
  databaseNow(): Moment;
  /**
   * Takes a place among the nodes, without slots, and goes on joining again after every fencing, until `leave` or
   * `close`. Rejects with a StoreError, for the operator, when that is not possible.
   */
  join(): Promise<ClusterSecret>;
  /** Takes a share of the slots from now on: to be called when all listeners are there, and the links. */
  begin(): void;
  /**
   * A peer that hears this node, but sees no beats of it, asks it to stop. Returns whether it has: then it was fenced. A
   * node whose beats arrive goes on.
   */
  yield(): boolean;
  /** Beats at once: the store says that the row is gone. */
  check(): void;
  /** Gives slots to the node that is to have them; everything of them is committed and forgotten here. */
  release(slots: readonly number[]): Promise<void>;
  /** Asks the others to take all slots of this node; resolves when they have, or nobody is there. */
  leave(): Promise<void>;
  /** Deletes the node's row and ends its session. */
  close(): Promise<void>;
}
