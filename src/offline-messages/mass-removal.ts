import type { RemovalReason, StoredHeader } from '../delivery/mailbox-store.js';
import type { CommitQueue } from './commit-queue.js';

/** So many rows are deleted before others may go on. */
export const REMOVED_AT_ONCE = 500;

/** Deletes many messages for somebody who waits to hear how many they were. */
export class MassRemoval {
  constructor(private readonly queue: Pick<CommitQueue, 'read' | 'remove'>) {}

  /**
   * Deletes what `find` answers, until that is less than a full batch: others have their turn in between. Answers how
   * many it ended; rejects with STORE_UNAVAILABLE when the store fails, which deletes what was found when it works
   * again.
   */
  async removeWhile(find: () => Promise<StoredHeader[]>, reason: RemovalReason): Promise<number> {
    let removed = 0;
    for (;;) {
      const rows = await this.queue.read(find);
      removed += await this.removeAll(rows, reason);
      if (rows.length < REMOVED_AT_ONCE) return removed;
    }
  }

  async removeAll(rows: readonly StoredHeader[], reason: RemovalReason): Promise<number> {
    const removed = await Promise.all(
      rows.map(
        (row) =>
          new Promise<boolean>((resolve, reject) =>
            this.queue.remove(row, reason, { onRemoved: resolve, onFailed: reject }),
          ),
      ),
    );
    return removed.filter(Boolean).length;
  }
}
