import type { RemovalReason, StoredHeader, StoredMessage } from '../delivery/mailbox-store.js';

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
  onRemoved(row: StoredHeader, reason: RemovalReason): void;
  /** Somebody else has written, another server or an outside hand: all positions are to be given anew, above the highest. */
  onDisplaced(byServer: boolean): Promise<void>;
}

/** What is not committed yet: messages to insert, their content in bytes, and rows to delete. */
export interface QueueDepth {
  readonly inserts: number;
  readonly bytes: number;
  readonly deletes: number;
}
