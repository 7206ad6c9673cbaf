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
}

/** The deletions that were asked for and are not committed yet. None is ever taken back: whoever reads passes over these rows. */
export class Removals {
  private readonly waiting = new Map<number, Removal>();

  /** `remove` deletes rows in one commit. */
  constructor(private readonly remove: (rows: readonly StoredHeader[]) => Promise<unknown>) {}

  get size(): number {
    return this.waiting.size;
  }

  has(position: number): boolean {
    return this.waiting.has(position);
  }

  /** The first ending of a message counts. */
  add(row: StoredHeader, ending: Ending, watcher: RemovalWatcher | undefined): void {
    if (this.waiting.has(row.position)) watcher?.onEnd(false);
    else this.waiting.set(row.position, { row, ending, watcher });
  }

  /** Deletes the first of them in one commit, and tells of each. One that is not there any more went with a commit whose answer was lost: nobody else deletes. */
  async commit(limit: number, onRemoved: (row: StoredHeader, ending: Ending) => void): Promise<void> {
    if (this.waiting.size === 0) return;
    const batch = [...this.waiting.values()].slice(0, limit);
    await this.remove(batch.map(({ row }) => row));
    for (const { row, ending, watcher } of batch) {
      this.waiting.delete(row.position);
      onRemoved(row, ending);
      watcher?.onEnd(true);
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
