import type { ChatError } from '../protocol/chat-error.js';
import type { StoredHeader } from './offline-message.table.js';

/** How a message left the store [protocol 2.3]. */
export type Ending = 'confirmed' | 'expired' | 'purged' | 'evicted';

/** Who asked for a deletion and waits for it. */
export interface RemovalWatcher {
  /** After the commit: whether it was this call that ended the message. */
  onEnd(removed: boolean): void;
  /** The store fails. The message is deleted all the same, when the store works again. */
  onFail(error: ChatError): void;
}

interface Removal {
  readonly row: StoredHeader;
  readonly ending: Ending;
  watcher: RemovalWatcher | undefined;
  /** Tried in a commit that was reported failed. */
  tried: boolean;
}

/** The deletions that were asked for and are not committed yet. None is ever taken back: whoever reads passes over these rows. */
export class Removals {
  private readonly waiting = new Map<number, Removal>();

  /** `remove` deletes rows in one commit and answers the positions of those that were still there. */
  constructor(private readonly remove: (rows: readonly StoredHeader[]) => Promise<Set<number>>) {}

  get size(): number {
    return this.waiting.size;
  }

  has(position: number): boolean {
    return this.waiting.has(position);
  }

  /** The first ending of a message counts. */
  add(row: StoredHeader, ending: Ending, watcher: RemovalWatcher | undefined): void {
    if (this.waiting.has(row.position)) watcher?.onEnd(false);
    else this.waiting.set(row.position, { row, ending, watcher, tried: false });
  }

  /** Deletes the first of them in one commit, and tells of each that was still there. */
  async commit(limit: number, onRemoved: (row: StoredHeader, ending: Ending) => void): Promise<void> {
    if (this.waiting.size === 0) return;
    const batch = [...this.waiting.values()].slice(0, limit);
    const triedBefore = new Set(batch.filter(({ tried }) => tried));
    for (const removal of batch) removal.tried = true;
    const found = await this.remove(batch.map(({ row }) => row));
    for (const removal of batch) {
      const { row, ending, watcher } = removal;
      // What a failed commit was to delete and is not there any more went with that commit: nobody else deletes.
      const removed = found.has(row.position) || triedBefore.has(removal);
      this.waiting.delete(row.position);
      if (removed) onRemoved(row, ending);
      watcher?.onEnd(removed);
    }
  }

  /** Tells those who wait that it takes longer. */
  fail(error: ChatError): void {
    for (const removal of this.waiting.values()) {
      removal.watcher?.onFail(error);
      removal.watcher = undefined;
    }
  }
}
