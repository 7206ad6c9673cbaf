import type { StoredHeader, StoredMessage } from './offline-message.table.js';
import type { Ending } from './removals.js';

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
  onRemoved(row: StoredHeader, ending: Ending): void;
  /** Somebody else has written, another server or an outside hand: all positions are to be given anew, above the highest. */
  onDisplaced(byServer: boolean): Promise<void>;
}
