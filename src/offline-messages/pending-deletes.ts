import type { RemovalReason, StoredHeader, StoredKey } from '../delivery/mailbox-store.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { SlotSet } from './slot-set.js';
import { isFull } from './store-fault.js';
import { rowKeyText } from './store-key.js';
import { MAX_BATCH } from './waiting-stores.js';

/** The caller of one delete, who waits for it. */
export interface RemovalWatcher {
  /** Called after the commit; `isFirst` is true for the call that decided the reason. */
  onRemoved(isFirst: boolean): void;
  /** The store fails. The message is deleted nevertheless when the store works again. */
  onFailed(error: ChatError): void;
}

/** The bytes that one statement may overwrite: they all go through the log first. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** The page of a row is overwritten with it. */
const PAGE_BYTES = 4_096;

interface PendingDelete {
  readonly row: StoredHeader;
  readonly reason: RemovalReason;
  /** The first caller and those who asked for the same delete later. */
  watchers: RemovalWatcher[];
}

/** The deletes that are not committed yet. None is ever taken back, so readers skip these rows. */
export class PendingDeletes {
  // By the whole key: two mailboxes may have rows with the same position when two servers had given it.
  private readonly waiting = new Map<string, PendingDelete>();

  /** The bytes that the next statement may overwrite: fewer while the disk is full, then more after each success. */
  private batchBytes = MAX_BATCH_BYTES;

  /**
   * `remove` deletes rows in one commit. `makeRoom` is called before it, and again when the disk was full, and returns
   * how many bytes it may overwrite.
   */
  constructor(
    private readonly remove: (rows: readonly StoredHeader[]) => Promise<void>,
    private readonly makeRoom: (hasFailed: boolean) => Promise<number>,
  ) {}

  get size(): number {
    return this.waiting.size;
  }

  has(row: StoredKey): boolean {
    return this.waiting.has(rowKeyText(row));
  }

  /** Adds a row. The first reason counts; a later caller waits for the same commit. */
  add(row: StoredHeader, reason: RemovalReason, watcher?: RemovalWatcher): void {
    const key = rowKeyText(row);
    const removal = this.waiting.get(key);
    if (!removal) this.waiting.set(key, { row, reason, watchers: watcher ? [watcher] : [] });
    else if (watcher) removal.watchers.push({ ...watcher, onRemoved: () => watcher.onRemoved(false) });
  }

  /**
   * Deletes the first rows in one commit, and calls back for each. A row that is missing was deleted by a commit whose
   * result was lost, or by a server that had the store meanwhile.
   */
  async commit(onRemoved: (row: StoredHeader, reason: RemovalReason) => void): Promise<void> {
    if (this.waiting.size === 0) return;
    for (const { row, reason, watchers } of await this.removeFirst()) {
      this.waiting.delete(rowKeyText(row));
      onRemoved(row, reason);
      for (const watcher of watchers) watcher.onRemoved(true);
    }
  }

  /** Deletes as many rows as the disk has room for; returns them. */
  private async removeFirst(): Promise<PendingDelete[]> {
    let room = await this.makeRoom(false);
    for (;;) {
      const batch = this.first(Math.min(this.batchBytes, room));
      try {
        await this.remove(batch.map(({ row }) => row));
        this.batchBytes = Math.min(MAX_BATCH_BYTES, this.batchBytes * 2);
        return batch;
      } catch (cause) {
        if (!isFull(cause)) throw cause;
        this.batchBytes = Math.ceil(Math.min(this.batchBytes, room) / 4);
        room = await this.makeRoom(true);
        if (batch.length === 1) throw cause;
      }
    }
  }

  /** Returns the first deletes, as many as one statement of at most `room` bytes may hold; always one. */
  private first(room: number): PendingDelete[] {
    const batch: PendingDelete[] = [];
    let bytes = 0;
    for (const removal of this.waiting.values()) {
      bytes += removal.row.bytes + PAGE_BYTES;
      if (batch.length >= MAX_BATCH || (batch.length > 0 && bytes > room)) break;
      batch.push(removal);
    }
    return batch;
  }

  /** Forgets all deletes. */
  clear(): void {
    this.waiting.clear();
  }

  /** Returns whether a row of one of these slots is to be deleted. */
  hasAny(slots: SlotSet): boolean {
    for (const { row } of this.waiting.values()) if (slots.has(row.mailbox)) return true;
    return false;
  }

  /** Calls `onFailed` of everybody who waits. */
  fail(error: ChatError): void {
    for (const removal of this.waiting.values()) {
      const { watchers } = removal;
      removal.watchers = [];
      for (const watcher of watchers) watcher.onFailed(error);
    }
  }
}
