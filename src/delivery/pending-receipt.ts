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

/**
 * The receipt of one message, which its sender gets once, or a refusal instead. The sender of a repeat joins, and gets
 * the same.
 */
export class PendingReceipt implements MessageIdentity {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  private receipt: Receipt | null = null;
  /** Those who wait for the outcome, the first sender first; null when all have it. */
  private listeners: OutcomeListener[] | null;

  /** It outlives the message and its sender, so it keeps neither the content nor a listener that has the outcome. */
  constructor({ id, from, to }: MessageIdentity, listener: OutcomeListener | null) {
    this.id = id;
    this.from = from;
    this.to = to;
    this.listeners = listener && [listener];
  }

  /** The receipt of a message that was stored before, perhaps by an earlier run. */
  static ofStored(message: MessageIdentity, sentAt: number): PendingReceipt {
    const pending = new PendingReceipt(message, null);
    pending.receipted('stored', sentAt);
    return pending;
  }

  /** Somebody is told the receipt as soon as there is one. */
  get isAwaited(): boolean {
    return this.listeners !== null && this.listeners[0]!.awaitsReceipt !== false;
  }

  join(listener: OutcomeListener): void {
    if (this.receipt) listener.onReceipt(this.receipt, true);
    else this.listeners?.push(listener);
  }

  /** The first receipt stands: a message that was stored and is confirmed later gets no second one. */
  receipted(status: 'delivered' | 'stored', sentAt: number, repeated = false): void {
    if (this.receipt) return;
    const receipt = { id: this.id, status, sentAt };
    this.receipt = receipt;
    this.notify((listener, joined) => listener.onReceipt(receipt, repeated || joined));
  }

  refused(error: ChatError): void {
    this.notify((listener) => listener.onRefused(error, this.id));
  }

  private notify(one: (listener: OutcomeListener, joined: boolean) => void): void {
    const { listeners } = this;
    this.listeners = null;
    listeners?.forEach((listener, index) => one(listener, index > 0));
  }
}
