import type { MailboxKey } from '../delivery/mailbox-store.js';
import type { NoticeTable } from '../offline-messages/notice.table.js';

/** Messages or notices that are read in one statement. */
const PAGE = 500;

/**
 * Finds what an earlier run, or another server, has left: it goes through the mailboxes, and then deletes the notices of
 * those that are empty. A node goes through the mailboxes of the slots that it has acquired.
 */
export class WaitingScan {
  private step: 'mailboxes' | 'notices' | 'done' = 'mailboxes';
  private after = '' as MailboxKey;

  constructor(
    private readonly notices: Pick<NoticeTable, 'mailboxesAfter' | 'mailboxesOfSlot' | 'toldAfter' | 'removeOfEmpty'>,
    /** When its next page may be read, in the time of the monotonic clock. */
    public at: number,
    /** The slots that are left; null for all mailboxes. */
    readonly slots: number[] | null = null,
  ) {}

  get isDone(): boolean {
    return this.step === 'done';
  }

  /** Returns the next mailboxes in which something waits, perhaps none. Rejects when the store cannot be read. */
  async next(): Promise<readonly MailboxKey[]> {
    const isFirst = this.step === 'mailboxes';
    const page = await (isFirst ? this.mailboxes() : this.notices.toldAfter(this.after, PAGE));
    if (!isFirst && page.length > 0) await this.notices.removeOfEmpty(page);
    const last = page.at(-1);
    if (last === undefined) {
      if (isFirst) this.slots?.shift();
      if (!isFirst || (this.slots ?? []).length === 0) this.step = isFirst ? 'notices' : 'done';
      this.after = '' as MailboxKey;
    } else this.after = last;
    return isFirst ? page : [];
  }

  private mailboxes(): Promise<MailboxKey[]> {
    const slot = this.slots?.[0];
    return slot === undefined
      ? this.notices.mailboxesAfter(this.after, PAGE)
      : this.notices.mailboxesOfSlot(slot, this.after, PAGE);
  }
}
