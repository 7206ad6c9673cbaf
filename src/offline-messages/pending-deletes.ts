import type { RemovalReason, StoredHeader, StoredKey } from '../delivery/mailbox-store.js';
import type { ChatError } from '../protocol/chat-error.js';
import { isFull } from './store-fault.js';
import { rowKeyText } from './store-key.js';
import { MAX_BATCH } from './waiting-stores.js';

/** Who asked for a deletion and waits for it. */
export interface RemovalWatcher {
  /** After the commit: whether it was this call that ended the message. */
  onRemoved(removed: boolean): void;
  /** The store fails. The message is deleted all the same, when the store works again. */
  onFailed(error: ChatError): void;
}

/** What one statement may overwrite, in bytes: all of it goes through the log first. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** A row is on one, among others. */
const PAGE_BYTES = 4_096;

interface PendingDelete {
  readonly row: StoredHeader;
  readonly reason: RemovalReason;
  /** The first asked for it; the others asked when it was asked for already. */
  watchers: RemovalWatcher[];
}

/**
 * The deletions that were asked for and are not committed yet. None is ever taken back: whoever reads passes over these
 * rows.
 */
export class PendingDeletes {
  // By the whole of it: rows of two mailboxes may have one position, when two servers had given it.
  private readonly waiting = new Map<string, PendingDelete>();

  /** What the next statement may overwrite: less while the disk is full, and then more with each that went through. */
  private batchBytes = MAX_BATCH_BYTES;

  /** `remove` deletes rows in one commit; `makeRoom` is asked before it, and again when the disk was full. */
  constructor(
    private readonly remove: (rows: readonly StoredHeader[]) => Promise<unknown>,
    private readonly makeRoom: (hasFailed: boolean) => Promise<void>,
  ) {}

  get size(): number {
    return this.waiting.size;
  }

  has(row: StoredKey): boolean {
    return this.waiting.has(rowKeyText(row));
  }

  /** The first reason counts; whoever asks for it again waits for the same commit. */
  add(row: StoredHeader, reason: RemovalReason, watcher?: RemovalWatcher): void {
    const key = rowKeyText(row);
    const removal = this.waiting.get(key);
    if (!removal) this.waiting.set(key, { row, reason, watchers: watcher ? [watcher] : [] });
    else if (watcher) removal.watchers.push({ ...watcher, onRemoved: () => watcher.onRemoved(false) });
  }

  /**
   * Deletes the first of them in one commit, and tells of each. One that is not there any more went with a commit whose
   * answer was lost: nobody else deletes.
   */
  async commit(onRemoved: (row: StoredHeader, reason: RemovalReason) => void): Promise<void> {
    if (this.waiting.size === 0) return;
    for (const { row, reason, watchers } of await this.removeFirst()) {
      this.waiting.delete(rowKeyText(row));
      onRemoved(row, reason);
      for (const watcher of watchers) watcher.onRemoved(true);
    }
  }

  /** Deletes as many as the disk has room for; answers which. */
  private async removeFirst(): Promise<PendingDelete[]> {
    await this.makeRoom(false);
    for (;;) {
      const batch = this.first();
      try {
        await this.remove(batch.map(({ row }) => row));
        this.batchBytes = Math.min(MAX_BATCH_BYTES, this.batchBytes * 2);
        return batch;
      } catch (cause) {
        if (!isFull(cause)) throw cause;
        this.batchBytes = Math.ceil(this.batchBytes / 4);
        await this.makeRoom(true);
        if (batch.length === 1) throw cause;
      }
    }
  }

  /** The first of them, as many as go into one statement. */
  private first(): PendingDelete[] {
    const batch: PendingDelete[] = [];
    let bytes = 0;
    for (const removal of this.waiting.values()) {
      bytes += removal.row.bytes + PAGE_BYTES;
      if (batch.length >= MAX_BATCH || (batch.length > 0 && bytes > this.batchBytes)) break;
      batch.push(removal);
    }
    return batch;
  }

  /** Tells those who wait that it takes longer. */
  fail(error: ChatError): void {
    for (const removal of this.waiting.values()) {
      const { watchers } = removal;
      removal.watchers = [];
      for (const watcher of watchers) watcher.onFailed(error);
    }
  }
}
