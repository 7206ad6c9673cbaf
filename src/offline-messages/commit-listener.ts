import type { StoredHeader, StoredMessage } from './offline-message.table.js';
import type { RemovalReason } from './pending-deletes.js';

/** One statement that was committed: how many rows it was asked to insert or delete, and how long the disk took. */
export interface Commit {
  readonly statement: 'insert' | 'delete';
  readonly rows: number;
  readonly seconds: number;
}

/** What the owner of the queue hears, in the order of the commits. */
export interface CommitListener {
  onCommitted(commit: Commit): void;
  onStored(row: StoredMessage): void;
  onRemoved(row: StoredHeader, ending: RemovalReason): void;
  /** Somebody else has written, another server or an outside hand: all positions are to be given anew, above the highest. */
  onDisplaced(byServer: boolean): Promise<void>;
}

/** What is not committed yet: messages to insert, their content in bytes, and rows to delete. */
export interface QueueDepth {
  readonly inserts: number;
  readonly bytes: number;
  readonly deletes: number;
}

/** Hears of every row that leaves the store, after the commit. */
export type RemovalListener = (row: StoredHeader, ending: RemovalReason) => void;

/**
 * Hears that somebody else has written into the store, between two commits: what is not on the disk needs positions above
 * this one. `byServer`: it was another server, which was given none of the positions that were given here.
 */
export type DisplacementListener = (above: number, byServer: boolean) => void;
