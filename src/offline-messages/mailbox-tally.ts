import { Logger } from '@nestjs/common';
import { STORED_MESSAGE_BYTES } from '../options/chat.options.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import type { StoredHeader, OfflineMessageTable } from './offline-message.table.js';
import { SenderTotals } from './sender-totals.js';

/** How many mailboxes are kept counted in memory; past it the one that was longest unused is counted anew when needed. */
const REMEMBERED_MAILBOXES = 10_000;

export interface Caps {
  readonly maxPendingPerUser: number | null;
  readonly maxPendingBytesPerUser: number | null;
  readonly maxPendingPerSender: number | null;
  readonly maxStoredBytesPerSender: number | null;
  readonly maxStoredBytes: number | null;
  readonly overflow: 'reject' | 'evict-oldest';
}

interface Tally {
  count: number;
  bytes: number;
  readonly bySender: Map<string, number>;
}

/** The room that a message takes in the store, in bytes. */
export function storedBytesOf({ bytes }: Pick<StoredHeader, 'bytes'>): number {
  return bytes + STORED_MESSAGE_BYTES;
}

/** After a full store is called full, so much of it has to be free before it may be called full again. */
const FREE_AGAIN = 0.1;

/**
 * Counts what waits in each mailbox and of each sender, so that the caps are checked without counting rows for every message.
 * The commit queue is the only writer of the table and keeps the counts; they are exact while it is. With no cap set it does nothing.
 */
export class MailboxTallies {
  private readonly tallies = new Map<string, Tally>();
  private readonly logger = new Logger('OfflineMessages');
  private readonly senders: SenderTotals;
  private readonly capped: boolean;
  private isFull = false;

  /** `storedBytes` answers what waits in all. */
  constructor(
    private readonly table: OfflineMessageTable,
    private readonly caps: Caps,
    private readonly storedBytes: () => number,
  ) {
    this.senders = new SenderTotals(table);
    this.capped =
      caps.maxPendingPerUser !== null || caps.maxPendingBytesPerUser !== null || caps.maxPendingPerSender !== null;
  }

  /** Counts those of these mailboxes that are not counted yet, in one statement, and those of these senders. */
  async load(recipients: ReadonlySet<string>, senders: ReadonlySet<string>): Promise<void> {
    if (this.caps.maxStoredBytesPerSender !== null) await this.senders.load(senders);
    if (!this.capped) return;
    const missing = [...recipients].filter((recipient) => !this.tallies.has(recipient));
    if (missing.length === 0) return;
    const rows = await this.table.tally(missing);
    for (const recipient of missing) this.tallies.set(recipient, { count: 0, bytes: 0, bySender: new Map() });
    for (const row of rows) {
      const tally = this.tallies.get(row.to)!;
      tally.count += row.count;
      tally.bytes += row.bytes;
      tally.bySender.set(row.from, row.count);
    }
  }

  /**
   * Answers why this message can't wait, or null when there is room for it beside the `admitted` bytes of its commit. Its mailbox
   * and its sender must be loaded.
   */
  refusal(message: StoredHeader, admitted: number): ChatError | null {
    return this.mailboxRefusal(message) ?? this.senderRefusal(message) ?? this.storeRefusal(message, admitted);
  }

  private mailboxRefusal(message: StoredHeader): ChatError | null {
    const tally = this.tallies.get(message.to);
    if (!tally) return null;
    const { maxPendingPerUser, maxPendingBytesPerUser, maxPendingPerSender, overflow } = this.caps;
    // One sender's share is refused under either policy: otherwise it could push everybody else's messages out.
    if (maxPendingPerSender !== null && (tally.bySender.get(message.from) ?? 0) >= maxPendingPerSender) {
      return errors.mailboxQuota(maxPendingPerSender);
    }
    if (overflow === 'evict-oldest') return null;
    const full =
      (maxPendingPerUser !== null && tally.count >= maxPendingPerUser) ||
      (maxPendingBytesPerUser !== null && tally.bytes + message.bytes > maxPendingBytesPerUser);
    return full ? errors.mailboxFull() : null;
  }

  private senderRefusal(message: StoredHeader): ChatError | null {
    const { maxStoredBytesPerSender } = this.caps;
    if (maxStoredBytesPerSender === null) return null;
    if (this.senders.of(message.from) + storedBytesOf(message) <= maxStoredBytesPerSender) return null;
    return errors.senderQuota();
  }

  private storeRefusal(message: StoredHeader, admitted: number): ChatError | null {
    const { maxStoredBytes } = this.caps;
    if (maxStoredBytes === null) return null;
    const stored = this.storedBytes() + admitted;
    if (stored + storedBytesOf(message) <= maxStoredBytes) {
      if (stored <= maxStoredBytes * (1 - FREE_AGAIN)) this.isFull = false;
      return null;
    }
    if (!this.isFull) {
      this.logger.warn(
        `The store is full: ${stored} bytes wait, and maxStoredBytes is ${maxStoredBytes}. Messages that have to wait are refused with STORE_FULL until some leave; see for whom with GET pending?order=most, and purge, or allow more.`,
      );
    }
    this.isFull = true;
    return errors.storeFull();
  }

  /** Says how many messages and bytes have to be evicted from this mailbox; none under `reject`, where one that was kept for want of a confirmation may be over the cap. */
  excess(recipient: string): { count: number; bytes: number } {
    const tally = this.caps.overflow === 'evict-oldest' ? this.tallies.get(recipient) : undefined;
    const over = (value: number, cap: number | null) => (cap === null ? 0 : Math.max(0, value - cap));
    return tally
      ? {
          count: over(tally.count, this.caps.maxPendingPerUser),
          bytes: over(tally.bytes, this.caps.maxPendingBytesPerUser),
        }
      : { count: 0, bytes: 0 };
  }

  add(message: StoredHeader): void {
    this.change(message, 1);
  }

  subtract(message: StoredHeader): void {
    this.change(message, -1);
  }

  /** After a failed commit nobody knows what waits in these mailboxes, and of these senders: it is counted anew when next needed. */
  forget(recipients: ReadonlySet<string>, senders: ReadonlySet<string>): void {
    for (const recipient of recipients) this.tallies.delete(recipient);
    this.senders.forget(senders);
  }

  /** Somebody else may have written to the table: all is counted anew when next needed. */
  forgetAll(): void {
    this.tallies.clear();
    this.senders.forgetAll();
  }

  /** Drops the counts that were longest unused. */
  trim(): void {
    this.senders.trim();
    for (const recipient of this.tallies.keys()) {
      if (this.tallies.size <= REMEMBERED_MAILBOXES) return;
      this.tallies.delete(recipient);
    }
  }

  private change(message: StoredHeader, sign: 1 | -1): void {
    this.senders.change(message.from, sign * storedBytesOf(message));
    const tally = this.tallies.get(message.to);
    if (!tally) return;
    tally.count += sign;
    tally.bytes += sign * message.bytes;
    const ofSender = (tally.bySender.get(message.from) ?? 0) + sign;
    if (ofSender > 0) tally.bySender.set(message.from, ofSender);
    else tally.bySender.delete(message.from);
    // A Map keeps the order of insertion: put back at its end, the first one is the longest unused.
    this.tallies.delete(message.to);
    this.tallies.set(message.to, tally);
  }
}
