import { positionText } from '../protocol/position.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Message, Receipt } from '../protocol/message.js';

/** Identifies a message [protocol 2.5]. */
export type MessageIdentity = Pick<Message, 'id' | 'from' | 'to'>;

/** Hears the outcome of a message: the connection that sent it, or a REST call. */
export interface OutcomeListener {
  /** False for a sender that is told refusals only, so that nobody waits for the confirmation; true unless given. */
  readonly awaitsReceipt?: boolean;
  /** `repeated`: the message had been accepted before, and this is the receipt of the first. */
  onReceipt(receipt: Receipt, repeated: boolean): void;
  onRefused(error: ChatError, id: string): void;
}

/** Remembers messages whose ids are their senders', so that repeats of them are found. */
interface Remembering {
  onReceipt(pending: PendingReceipt, status: 'delivered' | 'stored', sentAt: number, position?: number): void;
  onRefused(pending: PendingReceipt): void;
}

/**
 * The receipt of one message, which its sender gets once, or a refusal instead. The sender of a repeat joins, and gets
 * the same.
 */
export class PendingReceipt {
  /** Those who sent a repeat. Nearly every message is sent once, so there is no list until somebody joins. */
  private joined: OutcomeListener[] | null = null;
  /** Another one with the same hash, where these are remembered. */
  next: PendingReceipt | null = null;

  constructor(
    readonly message: MessageIdentity,
    /** The first sender; null when all have the outcome. */
    private listener: OutcomeListener | null,
    /** Hears the outcome before the senders, who may send again at once; null for a message that nobody can repeat. */
    private readonly remembering: Remembering | null = null,
    readonly hash = 0,
  ) {}

  /** Somebody is told the receipt as soon as there is one. */
  get isAwaited(): boolean {
    return this.listener !== null && this.listener.awaitsReceipt !== false;
  }

  join(listener: OutcomeListener): void {
    (this.joined ??= []).push(listener);
  }

  /**
   * The first receipt stands: a message that was stored and is confirmed later gets no second one. An `absent` one was
   * not accepted, so a repeat of it is a new message. `position`: where it stands in the record.
   */
  receipted(status: 'delivered' | 'stored' | 'absent', sentAt: number, repeated = false, position?: number): void {
    const { listener, joined } = this;
    if (!listener) return;
    this.end();
    if (status === 'absent') this.remembering?.onRefused(this);
    else this.remembering?.onReceipt(this, status, sentAt, position);
    const { id } = this.message;
    const receipt: Receipt =
      position === undefined ? { id, status, sentAt } : { id, status, sentAt, position: positionText(position) };
    listener.onReceipt(receipt, repeated);
    if (joined) for (const each of joined) each.onReceipt(receipt, true);
  }

  refused(error: ChatError): void {
    const { listener, joined } = this;
    if (!listener) return;
    this.end();
    this.remembering?.onRefused(this);
    const { id } = this.message;
    listener.onRefused(error, id);
    if (joined) for (const each of joined) each.onRefused(error, id);
  }

  /** Tells nobody anything; returns those who wait for the outcome, in the order in which they came. */
  abandon(): OutcomeListener[] {
    const { listener, joined } = this;
    if (!listener) return [];
    this.end();
    this.remembering?.onRefused(this); // Sent again, it is a new message here.
    return [listener, ...(joined ?? [])];
  }

  /** A message outlives its sender, so no listener is kept that has the outcome. */
  private end(): void {
    this.listener = null;
    this.joined = null;
  }
}
