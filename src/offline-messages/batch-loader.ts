import type { MailboxKey } from '../delivery/mailbox-store.js';
import type { CommitQueue } from './commit-queue.js';

/**
 * A read that answers for many mailboxes at once: all who ask before it begins share one statement. A server that
 * starts anew has thousands who connect within a second, and a statement for each would cost more than all else of the
 * handshake.
 */
export class BatchLoader<Answer> {
  private next: { readonly mailboxes: Set<MailboxKey>; readonly answers: Promise<Map<MailboxKey, Answer>> } | null =
    null;

  /** `read` answers for at most `limit` mailboxes; one that has no answer is left out. */
  constructor(
    private readonly queue: Pick<CommitQueue, 'read'>,
    private readonly limit: number,
    private readonly loadMany: (mailboxes: readonly MailboxKey[]) => Promise<Map<MailboxKey, Answer>>,
  ) {}

  /** The answer for one mailbox, if there is one; rejects with STORE_UNAVAILABLE when the disk can't be read. */
  async load(mailbox: MailboxKey): Promise<Answer | undefined> {
    if (!this.next || this.next.mailboxes.size >= this.limit) this.next = this.begin();
    this.next.mailboxes.add(mailbox);
    return (await this.next.answers).get(mailbox);
  }

  private begin() {
    const mailboxes = new Set<MailboxKey>();
    const answers = this.queue.read(() => {
      if (this.next?.mailboxes === mailboxes) this.next = null;
      return this.loadMany([...mailboxes]);
    });
    return { mailboxes, answers };
  }
}
