import { Logger } from '@nestjs/common';
import type { MailboxKey, StoredHeader, StoredMessage } from '../delivery/mailbox-store.js';
import { STORED_MESSAGE_BYTES } from '../options/chat.options.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import { SenderTotals } from './sender-totals.js';
import type { StoreCounters } from './store-counters.js';

/**
 * Mailboxes whose usage is kept in memory. Above this the least recently used are removed, and counted anew when
 * needed.
 */
const REMEMBERED_MAILBOXES = 10_000;

export interface Caps {
  readonly maxPendingPerUser: number | null;
  readonly maxPendingBytesPerUser: number | null;
  readonly maxPendingPerSender: number | null;
  readonly maxStoredBytesPerSender: number | null;
  readonly maxStoredBytes: number | null;
  readonly overflow: 'reject' | 'evict-oldest';
}

interface Usage {
  count: number;
  bytes: number;
  /** A message of it may have an urgency. */
  hasUrgencies: boolean;
  readonly bySender: Map<string, number>;
}

/** Returns the room that a message takes in the store, in bytes. */
export function storedBytesOf({ bytes }: Pick<StoredHeader, 'bytes'>): number {
  return bytes + STORED_MESSAGE_BYTES;
}

/** After the log says that the store is full, this share of it has to be free before the log may say so again. */
const FREE_AGAIN = 0.1;

/**
 * Counts what waits in each mailbox and of each sender, so that the caps are checked without counting rows for every
 * message. The commit queue is the only writer of the table and keeps the counts exact. Without a cap nothing is
 * counted.
 */
export class MailboxUsage {
  private readonly mailboxes = new Map<MailboxKey, Usage>();
  private readonly logger = new Logger('OfflineMessages');
  private readonly senders: SenderTotals;
  private readonly capped: boolean;
  private isFull = false;

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly caps: Caps,
    private readonly counters: Pick<StoreCounters, 'storedBytes'>,
  ) {
    this.senders = new SenderTotals(table);
    this.capped =
      caps.maxPendingPerUser !== null || caps.maxPendingBytesPerUser !== null || caps.maxPendingPerSender !== null;
  }

  /** Counts the mailboxes and senders that are not counted yet. */
  async load(mailboxes: ReadonlySet<MailboxKey>, senders: ReadonlySet<string>): Promise<void> {
    if (this.caps.maxStoredBytesPerSender !== null) await this.senders.load(senders);
    if (!this.capped) return;
    const missing = [...mailboxes].filter((mailbox) => !this.mailboxes.has(mailbox));
    if (missing.length === 0) return;
    const rows = await this.table.usageBySender(missing);
    for (const mailbox of missing)
      this.mailboxes.set(mailbox, { count: 0, bytes: 0, hasUrgencies: false, bySender: new Map() });
    for (const row of rows) {
      const usage = this.mailboxes.get(row.mailbox)!;
      usage.count += row.count;
      usage.bytes += row.bytes;
      usage.hasUrgencies ||= row.urgent > 0;
      usage.bySender.set(row.from, row.count);
    }
  }

  /**
   * Returns the error with which this message is refused, or null when there is room for it beside the `admitted` bytes
   * of its commit. Its mailbox and its sender must be loaded.
   */
  refusal(message: StoredHeader, admitted: number): ChatError | null {
    return this.mailboxRefusal(message) ?? this.senderRefusal(message) ?? this.storeRefusal(message, admitted);
  }

  private mailboxRefusal(message: StoredHeader): ChatError | null {
    const usage = this.mailboxes.get(message.mailbox);
    if (!usage) return null;
    const { maxPendingPerUser, maxPendingBytesPerUser, maxPendingPerSender, overflow } = this.caps;
    // A sender over their share is refused under both policies: otherwise they could evict everybody else's messages.
    if (maxPendingPerSender !== null && (usage.bySender.get(message.from) ?? 0) >= maxPendingPerSender) {
      return errors.mailboxQuota(maxPendingPerSender);
    }
    if (overflow === 'evict-oldest') return null;
    const full =
      (maxPendingPerUser !== null && usage.count >= maxPendingPerUser) ||
      (maxPendingBytesPerUser !== null && usage.bytes + message.bytes > maxPendingBytesPerUser);
    return full ? errors.mailboxFull() : null;
  }

  private senderRefusal(message: StoredHeader): ChatError | null {
    const { maxStoredBytesPerSender } = this.caps;
    if (maxStoredBytesPerSender === null) return null;
    if (this.senders.bytesOf(message.from) + storedBytesOf(message) <= maxStoredBytesPerSender) return null;
    return errors.senderQuota();
  }

  private storeRefusal(message: StoredHeader, admitted: number): ChatError | null {
    const { maxStoredBytes } = this.caps;
    if (maxStoredBytes === null) return null;
    const stored = this.counters.storedBytes + admitted;
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

  /**
   * Returns how many messages and bytes have to be evicted from this mailbox, and whether their urgencies have to be
   * looked at. None under `reject`, where a mailbox may be over its cap by messages that were kept because they were
   * not confirmed.
   */
  excess(mailbox: MailboxKey): { count: number; bytes: number; hasUrgencies: boolean } {
    const usage = this.caps.overflow === 'evict-oldest' ? this.mailboxes.get(mailbox) : undefined;
    const over = (value: number, cap: number | null) => (cap === null ? 0 : Math.max(0, value - cap));
    return usage
      ? {
          count: over(usage.count, this.caps.maxPendingPerUser),
          bytes: over(usage.bytes, this.caps.maxPendingBytesPerUser),
          hasUrgencies: usage.hasUrgencies,
        }
      : { count: 0, bytes: 0, hasUrgencies: false };
  }

  add(message: StoredMessage): void {
    this.change(message, 1);
    const usage = message.extras?.urgency === undefined ? undefined : this.mailboxes.get(message.mailbox);
    if (usage) usage.hasUrgencies = true;
  }

  subtract(message: StoredHeader): void {
    this.change(message, -1);
  }

  /**
   * After a failed commit it is unknown what waits in these mailboxes and of these senders: they are counted anew when
   * they are needed next.
   */
  invalidate(mailboxes: ReadonlySet<MailboxKey>, senders: ReadonlySet<string>): void {
    for (const mailbox of mailboxes) this.mailboxes.delete(mailbox);
    this.senders.invalidate(senders);
  }

  /** Somebody else may have written to the table: everything is counted anew when it is needed next. */
  invalidateAll(): void {
    this.mailboxes.clear();
    this.senders.invalidateAll();
  }

  /** Removes the least recently used counts. */
  removeLeastUsed(): void {
    this.senders.removeLeastUsed();
    for (const mailbox of this.mailboxes.keys()) {
      if (this.mailboxes.size <= REMEMBERED_MAILBOXES) return;
      this.mailboxes.delete(mailbox);
    }
  }

  private change(message: StoredHeader, sign: 1 | -1): void {
    this.senders.change(message.from, sign * storedBytesOf(message));
    const usage = this.mailboxes.get(message.mailbox);
    if (!usage) return;
    usage.count += sign;
    usage.bytes += sign * message.bytes;
    const ofSender = (usage.bySender.get(message.from) ?? 0) + sign;
    if (ofSender > 0) usage.bySender.set(message.from, ofSender);
    else usage.bySender.delete(message.from);
    // A Map keeps the order of insertion: with used ones at the end, the first is the least recently used.
    this.mailboxes.delete(message.mailbox);
    this.mailboxes.set(message.mailbox, usage);
  }
}
