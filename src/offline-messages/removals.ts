import type { ChatError } from '../protocol/chat-error.js';
import type { RowKey, StoredHeader } from './offline-message.table.js';

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
  /** The first asked for it; the others asked when it was asked for already. */
  watchers: RemovalWatcher[];
}

/** The deletions that were asked for and are not committed yet. None is ever taken back: whoever reads passes over these rows. */
export class Removals {
  // By the whole of it: rows of two mailboxes may have one position, when two servers had given it.
  private readonly waiting = new Map<string, Removal>();

  /** `remove` deletes rows in one commit. */
  constructor(private readonly remove: (rows: readonly StoredHeader[]) => Promise<unknown>) {}

  get size(): number {
    return this.waiting.size;
  }

  has(row: RowKey): boolean {
    return this.waiting.has(keyOf(row));
  }

  /** The first ending of a message counts; whoever asks for it again waits for the same commit. */
  add(row: StoredHeader, ending: Ending, watcher?: RemovalWatcher): void {
    const key = keyOf(row);
    const removal = this.waiting.get(key);
    if (!removal) this.waiting.set(key, { row, ending, watchers: watcher ? [watcher] : [] });
    else if (watcher) removal.watchers.push({ ...watcher, onEnd: () => watcher.onEnd(false) });
  }

  /** Deletes the first of them in one commit, and tells of each. One that is not there any more went with a commit whose answer was lost: nobody else deletes. */
  async commit(limit: number, onRemoved: (row: StoredHeader, ending: Ending) => void): Promise<void> {
    if (this.waiting.size === 0) return;
    const batch = [...this.waiting].slice(0, limit);
    await this.remove(batch.map(([, { row }]) => row));
    for (const [key, { row, ending, watchers }] of batch) {
      this.waiting.delete(key);
      onRemoved(row, ending);
      for (const watcher of watchers) watcher.onEnd(true);
    }
  }

  /** Tells those who wait that it takes longer. */
  fail(error: ChatError): void {
    for (const removal of this.waiting.values()) {
      const { watchers } = removal;
      removal.watchers = [];
      for (const watcher of watchers) watcher.onFail(error);
    }
  }
}

function keyOf({ position, to, from, id }: RowKey): string {
  return `${position}\n${id}\n${from}\n${to}`;
}
