import type {
  MailboxKey,
  StoredHeader,
  StoredKey,
  StoredMessage,
  StoreOutcome,
  StoreRequest,
} from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import type { ChatError } from '../protocol/chat-error.js';
import { storedBytesOf, type MailboxUsage } from './mailbox-usage.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import { Displaced } from './store-fault.js';

/** A group of messages that goes into the table in one commit, as far as the caps let them. */
export class StoreBatch {
  private readonly recipients: ReadonlySet<MailboxKey>;
  private readonly senders: ReadonlySet<string>;
  private readonly admitted = new Map<StoreRequest, StoredMessage>();
  private readonly refused = new Map<StoreRequest, ChatError>();
  private readonly open: Set<StoreRequest>;
  /** The statement was committed; which of the messages it took may not be known yet. */
  isInserted = false;

  constructor(
    private readonly requests: readonly StoreRequest[],
    private readonly table: OfflineMessageTable,
    private readonly usage: MailboxUsage,
    private readonly insert: OfflineMessageTable['insert'],
  ) {
    this.recipients = new Set(requests.map((request) => request.mailbox));
    this.senders = new Set(requests.map((request) => request.message.from));
    this.open = new Set(requests);
  }

  /** Those who have not been told what became of their message: all, after a commit that failed. */
  get unsettled(): readonly StoreRequest[] {
    return this.requests.filter((request) => this.open.has(request));
  }

  /** Commits the group and tells every message of it what became of it; rejects when the disk fails. */
  async commit(clock: Clock, onStored: (row: StoredMessage) => void): Promise<void> {
    try {
      await this.usage.load(this.recipients, this.senders);
      this.admit(clock.now());
      const rows = [...this.admitted.values()];
      const inserted = rows.length > 0 ? await this.insert(rows) : 0;
      this.isInserted = inserted > 0;
      if (inserted === rows.length) for (const [request, row] of this.admitted) this.stored(request, row, onStored);
      if (this.open.size > 0) await this.settleRest(onStored);
    } catch (cause) {
      this.usage.invalidate(this.recipients, this.senders);
      throw cause;
    }
  }

  /** The oldest messages of the mailboxes that are now over their caps, as many as have to go. */
  async overflow(limit: number): Promise<StoredHeader[]> {
    const going: StoredHeader[] = [];
    for (const recipient of this.recipients) {
      let { count, bytes } = this.usage.excess(recipient);
      if (count === 0 && bytes === 0) continue;
      for (const row of await this.table.oldest(recipient, limit)) {
        if (count <= 0 && bytes <= 0) break;
        count -= 1;
        bytes -= row.bytes;
        going.push(row);
      }
    }
    return going;
  }

  private admit(storedAt: number): void {
    let admittedBytes = 0;
    for (const request of this.requests) {
      const { mailbox, position, bytes } = request;
      const { id, from, to, content, sentAt } = request.message;
      const row = { mailbox, id, from, to, content, sentAt, position, bytes, storedAt };
      const error = request.mustKeep ? null : this.usage.refusal(row, admittedBytes);
      if (error) this.refused.set(request, error);
      else {
        this.admitted.set(request, row);
        this.usage.add(row);
        admittedBytes += storedBytesOf(row);
      }
    }
  }

  /**
   * Some did not go in: repeats of others that wait already. One that is in the table neither so nor so has no row and gets
   * no receipt: the store is another server's by now.
   */
  private async settleRest(onStored: (row: StoredMessage) => void): Promise<void> {
    const rows = await this.table.withIds(this.unsettled.map(identityOf));
    const known = new Map(rows.map((row) => [keyOf(row), row]));
    for (const request of this.unsettled) {
      const first = known.get(keyOf(identityOf(request)));
      const row = this.admitted.get(request);
      // Found under its own position it went in, now or with a commit whose answer was lost.
      if (row && !first) throw new Displaced();
      if (row && first!.position === request.position) this.stored(request, row, onStored);
      else if (row) {
        this.usage.subtract(row);
        this.settle(request, { status: 'duplicate', sentAt: first!.sentAt });
      } else if (first) this.settle(request, { status: 'duplicate', sentAt: first.sentAt });
      else this.settle(request, { status: 'refused', error: this.refused.get(request)! });
    }
  }

  private stored(request: StoreRequest, row: StoredMessage, onStored: (row: StoredMessage) => void): void {
    onStored(row);
    this.settle(request, { status: 'stored' });
  }

  private settle(request: StoreRequest, outcome: StoreOutcome): void {
    this.open.delete(request);
    request.onSettled(outcome);
  }
}

type Identity = Pick<StoredKey, 'mailbox' | 'from' | 'id'>;

function identityOf({ mailbox, message: { from, id } }: StoreRequest): Identity {
  return { mailbox, from, id };
}

function keyOf({ mailbox, from, id }: Identity): string {
  return `${mailbox}\n${from}\n${id}`;
}
