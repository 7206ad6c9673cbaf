import type { MailboxKey } from '../delivery/mailbox-store.js';
import type { CommitQueue } from './commit-queue.js';

/**
 * Loads values for many mailboxes at once: all callers that ask before a read begins share one statement. After a
 * restart thousands of users connect within a second, and a statement for each would cost more than the rest of their
 * handshakes.
 */
export class BatchLoader<Value> {
  private next: { readonly mailboxes: Set<MailboxKey>; readonly values: Promise<Map<MailboxKey, Value>> } | null = null;

  /** `loadMany` returns the values of at most `limit` mailboxes; a mailbox without a value is left out. */
  constructor(
    private readonly queue: Pick<CommitQueue, 'read'>,
    private readonly limit: number,
    private readonly loadMany: (mailboxes: readonly MailboxKey[]) => Promise<Map<MailboxKey, Value>>,
  ) {}

  /** Returns the value of one mailbox, if it has one; rejects with STORE_UNAVAILABLE when the disk cannot be read. */
  async load(mailbox: MailboxKey): Promise<Value | undefined> {
    if (!this.next || this.next.mailboxes.size >= this.limit) this.next = this.begin();
    this.next.mailboxes.add(mailbox);
    return (await this.next.values).get(mailbox);
  }

  private begin() {
    const mailboxes = new Set<MailboxKey>();
    const values = this.queue.read(() => {
      if (this.next?.mailboxes === mailboxes) this.next = null;
      return this.loadMany([...mailboxes]);
    });
    return { mailboxes, values };
  }
}
