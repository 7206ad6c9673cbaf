import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OfflineMessageTable } from './offline-message.table.js';

/**
 * Senders whose totals are kept in memory. Above this the least recently used are removed, and counted anew when
 * needed.
 */
const REMEMBERED_SENDERS = 50_000;
/**
 * Senders that are counted in one statement: with hundreds of messages each, a driver on the event loop blocks it for
 * some tens of milliseconds.
 */
const COUNTED_AT_ONCE = 64;

/**
 * The bytes that wait of each sender in all mailboxes; exact while the commit queue is the only writer of the table.
 */
export class SenderTotals {
  private readonly totals = new Map<string, number>();

  constructor(private readonly table: OfflineMessageTable) {}

  /** Counts the senders that are not counted yet, many in one statement. */
  async load(senders: ReadonlySet<string>): Promise<void> {
    const missing = [...senders].filter((sender) => !this.use(sender));
    for (let at = 0; at < missing.length; at += COUNTED_AT_ONCE) {
      if (at > 0) await nextTurn();
      const rows = await this.table.storedBytesOf(missing.slice(at, at + COUNTED_AT_ONCE));
      for (const { from, bytes } of rows) this.totals.set(from, bytes);
    }
  }

  /** Returns the bytes that wait of a sender; 0 when it is not loaded. */
  bytesOf(sender: string): number {
    return this.totals.get(sender) ?? 0;
  }

  change(sender: string, bytes: number): void {
    const total = this.totals.get(sender);
    if (total !== undefined) this.totals.set(sender, total + bytes);
  }

  invalidate(senders: Iterable<string>): void {
    for (const sender of senders) this.totals.delete(sender);
  }

  invalidateAll(): void {
    this.totals.clear();
  }

  /** Removes the least recently used totals. */
  removeLeastUsed(): void {
    for (const sender of this.totals.keys()) {
      if (this.totals.size <= REMEMBERED_SENDERS) return;
      this.totals.delete(sender);
    }
  }

  /** Returns whether this sender is counted, and marks its total as used. */
  private use(sender: string): boolean {
    const total = this.totals.get(sender);
    if (total === undefined) return false;
    // A Map keeps the order of insertion: with used ones at the end, the first is the least recently used.
    this.totals.delete(sender);
    this.totals.set(sender, total);
    return true;
  }
}
