import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { OfflineMessageTable } from './offline-message.table.js';

/** How many senders are kept counted in memory; past it the one that was longest unused is counted anew when needed. */
const REMEMBERED_SENDERS = 50_000;
/**
 * So many are counted in one statement: with hundreds of messages each, a driver that works on the event loop holds it
 * up for some tens of milliseconds.
 */
const COUNTED_AT_ONCE = 64;

/**
 * What waits of each sender, in all mailboxes together, in bytes: exact while the commit queue is the only writer of
 * the table.
 */
export class SenderTotals {
  private readonly totals = new Map<string, number>();

  constructor(private readonly table: OfflineMessageTable) {}

  /** Counts those of these senders that are not counted yet, many in one statement. */
  async load(senders: ReadonlySet<string>): Promise<void> {
    const missing = [...senders].filter((sender) => !this.use(sender));
    for (let at = 0; at < missing.length; at += COUNTED_AT_ONCE) {
      if (at > 0) await endOfTurn();
      const rows = await this.table.storedBytesOf(missing.slice(at, at + COUNTED_AT_ONCE));
      for (const { from, bytes } of rows) this.totals.set(from, bytes);
    }
  }

  /** What waits of a sender; 0 of one that is not loaded. */
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

  /** Drops the totals that were longest unused. */
  removeLeastUsed(): void {
    for (const sender of this.totals.keys()) {
      if (this.totals.size <= REMEMBERED_SENDERS) return;
      this.totals.delete(sender);
    }
  }

  /** Says whether this sender is counted, and remembers that it was asked for. */
  private use(sender: string): boolean {
    const total = this.totals.get(sender);
    if (total === undefined) return false;
    // A Map keeps the order of insertion: put back at its end, the first one is the longest unused.
    this.totals.delete(sender);
    this.totals.set(sender, total);
    return true;
  }
}
