import { Logger } from '@nestjs/common';
import type { MailboxKey, StoredHeader, StoredMessage, StoreOutcome, StoreRequest } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import type { ChatError } from '../protocol/chat-error.js';
import { storedBytesOf, type MailboxUsage } from './mailbox-usage.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import type { RecordBatch } from './record-batch.js';
import { Displaced } from './store-fault.js';
import { messageKey, messageKeyText } from './store-key.js';

const logger = new Logger('OfflineMessages');

/** Gets a new row, and the older ones that it replaces. */
type OnStored = (row: StoredMessage, superseded: readonly StoredHeader[]) => void;

/** Inserts the rows of these requests in one commit; returns how many were inserted. */
export type Insert = (rows: readonly StoredMessage[], admitted: readonly StoreRequest[]) => Promise<number>;

const placeOf = (mailbox: MailboxKey, position: number): string => `${position}\n${mailbox}`;

/** A group of messages that is inserted in one commit, as far as the caps admit them. */
export class StoreBatch {
  private readonly mailboxes: ReadonlySet<MailboxKey>;
  private readonly senders: ReadonlySet<string>;
  private readonly admitted = new Map<StoreRequest, StoredMessage>();
  private readonly refused = new Map<StoreRequest, ChatError>();
  private readonly open: Set<StoreRequest>;
  /** The rows that each message with a topic replaces. */
  private readonly superseded = new Map<string, StoredHeader[]>();
  /** The statement was committed and has inserted rows; which ones may not be known yet. */
  isInserted = false;

  constructor(
    private readonly requests: readonly StoreRequest[],
    private readonly table: OfflineMessageTable,
    private readonly usage: MailboxUsage,
    private readonly insert: Insert,
    /** What goes into the record in the same commit; null where nothing is recorded. */
    private readonly record: RecordBatch | null,
  ) {
    this.mailboxes = new Set(requests.map((request) => request.mailbox));
    this.senders = new Set(requests.map((request) => request.message.from));
    this.open = new Set(requests);
  }

  /** The requests without an outcome: all of them when the commit failed. */
  get unsettled(): readonly StoreRequest[] {
    return this.requests.filter((request) => this.open.has(request));
  }

  /**
   * Commits the group and calls `onSettled` of each request; rejects when the disk fails. `onStored` gets each new row
   * before that, with the older ones that it replaces.
   */
  async commit(clock: Clock, onStored: OnStored): Promise<void> {
    try {
      await this.usage.load(this.mailboxes, this.senders);
      this.admit(clock.now());
      const rows = [...this.admitted.values()];
      const inserted = await this.insert(rows, [...this.admitted.keys()]);
      this.isInserted = inserted > 0;
      if (rows.some(({ extras }) => extras?.topic !== undefined)) await this.findSuperseded(rows);
      if (inserted === rows.length) for (const [request, row] of this.admitted) this.stored(request, row, onStored);
      if (this.open.size > 0) await this.settleRest(onStored);
    } catch (cause) {
      this.usage.invalidate(this.mailboxes, this.senders);
      throw cause;
    }
  }

  /**
   * Returns the messages that have to be evicted from the mailboxes that are over their caps now: the oldest of the
   * lowest urgency.
   */
  async overflow(limit: number): Promise<StoredHeader[]> {
    const evicted: StoredHeader[] = [];
    for (const mailbox of this.mailboxes) {
      const { hasUrgencies, ...excess } = this.usage.excess(mailbox);
      let { count, bytes } = excess;
      if (count === 0 && bytes === 0) continue;
      const first = hasUrgencies ? this.table.extras.leastUrgent(mailbox, limit) : this.table.oldest(mailbox, limit);
      for (const row of await first) {
        if (count <= 0 && bytes <= 0) break;
        count -= 1;
        bytes -= row.bytes;
        evicted.push(row);
      }
    }
    return evicted;
  }

  private admit(storedAt: number): void {
    let admittedBytes = 0;
    for (const request of this.requests) {
      const { mailbox, position, bytes } = request;
      const { id, from, to, content, sentAt, extras } = request.message;
      const row = { mailbox, id, from, to, content, sentAt, extras, position, bytes, storedAt };
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
   * Settles those that were not inserted: they repeat a message that waits already, or were refused. An admitted
   * message that is not in the table at all gets no receipt: another server has taken the store by now.
   */
  private async settleRest(onStored: OnStored): Promise<void> {
    const rows = await this.table.withIds(this.unsettled.map(messageKey));
    const known = new Map(rows.map((row) => [messageKeyText(row), row]));
    for (const request of this.unsettled) {
      const first = known.get(messageKeyText(messageKey(request)));
      const row = this.admitted.get(request);
      if (row && !first) throw new Displaced();
      // Under its own position it was inserted, now or by an earlier commit whose result was lost.
      if (row && first!.position === request.position) this.stored(request, row, onStored);
      else if (row) {
        this.usage.subtract(row);
        const position = this.record?.positionOf(request.message);
        this.settle(request, { status: 'duplicate', sentAt: first!.sentAt, position });
      } else if (first) this.settle(request, { status: 'duplicate', sentAt: first.sentAt });
      else this.settle(request, { status: 'refused', error: this.refused.get(request)! });
    }
  }

  private async findSuperseded(rows: readonly StoredMessage[]): Promise<void> {
    for (const row of await this.table.extras.superseded(rows)) {
      const place = placeOf(row.mailbox, row.by);
      this.superseded.set(place, [...(this.superseded.get(place) ?? []), row]);
    }
  }

  private stored(request: StoreRequest, row: StoredMessage, onStored: OnStored): void {
    onStored(row, row.extras ? (this.superseded.get(placeOf(row.mailbox, row.position)) ?? []) : []);
    this.settle(request, { status: 'stored', position: this.record?.positionOf(request.message) });
  }

  private settle(request: StoreRequest, outcome: StoreOutcome): void {
    this.open.delete(request);
    settle(request, outcome);
  }
}

/** Tells a request its outcome. */
export function settle(request: StoreRequest, outcome: StoreOutcome): void {
  calm(() => request.onSettled(outcome));
}

/**
 * If a request throws at its outcome, that is logged: it is a fault of the server and not of the disk, so the others of
 * the commit must not be refused for it.
 */
export function calm(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    logger.error(error);
  }
}
