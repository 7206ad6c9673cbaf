import type { MailboxKey, RemovalReason, StoredHeader } from '../delivery/mailbox-store.js';
import { errors } from '../protocol/chat-error.js';
import type { CommitQueue } from './commit-queue.js';
import type { SlotSet } from './slot-set.js';

/** Rows that are deleted before other work of the queue goes on. */
export const REMOVED_AT_ONCE = 500;

/** Deletes many messages for a caller who waits for their number. */
export class MassRemoval {
  /** `slots` are those of a node; null for a single server. */
  constructor(
    private readonly queue: Pick<CommitQueue, 'read' | 'remove'>,
    private readonly slots: SlotSet | null,
  ) {}

  /**
   * Deletes what `find` returns, until that is less than a full batch; other work goes on in between. Returns how many
   * this call deleted. Rejects with STORE_UNAVAILABLE when the store fails; what was found is deleted when it
   * works again.
   */
  async removeWhile(find: () => Promise<StoredHeader[]>, reason: RemovalReason): Promise<number> {
    let removed = 0;
    for (;;) {
      const rows = await this.queue.read(find);
      removed += await this.removeAll(rows, reason);
      if (rows.length < REMOVED_AT_ONCE) return removed;
    }
  }

  /**
   * The same in one mailbox. Rejects with STORE_UNAVAILABLE, too, on a node that does not have the mailbox, or loses it
   * meanwhile. Such a node deletes nothing there, and 0 would read as if nothing waited.
   */
  async removeIn(mailbox: MailboxKey, find: () => Promise<StoredHeader[]>, reason: RemovalReason): Promise<number> {
    this.checkHome(mailbox);
    const removed = await this.removeWhile(find, reason);
    this.checkHome(mailbox);
    return removed;
  }

  private async removeAll(rows: readonly StoredHeader[], reason: RemovalReason): Promise<number> {
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

  private checkHome(mailbox: MailboxKey): void {
    if (this.slots !== null && !this.slots.has(mailbox)) throw errors.nodeSilent();
  }
}
