import { RefusedError, type PendingMessage, type ReceiptEvent, type SentMessage } from './api.js';
import type { Emitter } from './emitter.js';
import { bytesOf } from './message-size.js';
import { Outbox, type OutboxOptions, type OutboxOwner } from './outbox.js';
import { SentMessages } from './sent-messages.js';
import type { Store } from './store.js';
import type { News } from './tabs.js';

const MESSAGE_ID = /^[\w-]{1,64}$/;

export interface OutgoingOwner {
  readonly write: OutboxOwner['write'];
  /** Tells the other tabs. */
  tell(news: News): void;
  /** Whether no other tab has the connection. */
  isLeading(): boolean;
}

/**
 * What this user sends, in this tab and in others. A message is in the store and, in every tab, in the outbox until its
 * receipt or refusal comes. So another tab can take over at any moment. Only the outbox of the tab that leads is open.
 */
export class Outgoing {
  readonly outbox: Outbox;
  readonly #sent = new SentMessages();
  /** What was heard of while the store is read: it may be in there still. */
  #heardMeanwhile: Set<string> | null = null;

  constructor(
    private readonly store: Store,
    private readonly emitter: Emitter,
    options: OutboxOptions,
    private readonly owner: OutgoingOwner,
  ) {
    this.outbox = new Outbox(options, { write: owner.write, settled: (receipt) => this.#settled(receipt) });
  }

  send(written: PendingMessage): SentMessage {
    const known = this.#sent.get(written.id);
    if (known) return known;
    const message = copyOf(written);
    if (!message) return this.refused(written, new RefusedError('BAD_FRAME', 'meta has to be an object of JSON'));
    const objection = this.#objection(message);
    if (objection) return this.refused(message, objection);
    const sent = this.#sent.add(message, this.#keep(message));
    this.emitter.emit('sent', message);
    return sent;
  }

  /** A message that is not taken at all. */
  refused(message: PendingMessage, error: RefusedError): SentMessage {
    const sent = this.#sent.add(message, Promise.reject(error));
    this.#hear({ id: message.id, to: message.to, status: 'refused', code: error.code, message: error.message });
    return sent;
  }

  cancel(id: string): void {
    if (this.owner.isLeading()) this.outbox.cancel(id);
    else this.owner.tell({ type: 'cancel', id });
  }

  /** What became of a message that the server had stored. */
  ended(receipt: ReceiptEvent): void {
    this.#tell(receipt);
  }

  /** Reads what an earlier page, or another tab, has left in the store. */
  async restore(): Promise<void> {
    const heard = (this.#heardMeanwhile = new Set());
    const kept = await this.store.outbox();
    this.#heardMeanwhile = null;
    this.outbox.restore(kept.filter(({ id }) => !heard.has(id)));
  }

  /** This tab has the connection from now on. `isFirst`: no tab had it before. */
  lead(isFirst: boolean): void {
    if (!isFirst) return this.outbox.abandonBroadcasts();
    // These were passed to a tab that was not there.
    for (const message of this.outbox.pending) if (message.to === null) this.outbox.keep(message);
  }

  /** Another tab has it. What is not in the store has to be passed to that one. */
  follow(): void {
    this.outbox.abandonBroadcasts();
    if (this.store.persistent) return;
    for (const message of this.outbox.pending) this.owner.tell({ type: 'pass', message });
  }

  /**
   * This page was away, and heard no receipt meanwhile. What another tab has removed from the store is passed to it
   * again: the server repeats its receipt [protocol 2.5].
   */
  async resume(): Promise<void> {
    const kept = new Set((await this.store.outbox()).map(({ id }) => id));
    for (const message of this.outbox.pending) {
      if (message.to !== null && !kept.has(message.id)) this.owner.tell({ type: 'pass', message });
    }
  }

  /** Another tab has sent something, or has heard of a receipt. */
  heard(news: News & { type: 'kept' | 'pass' | 'receipt' }): void {
    if (news.type === 'receipt') return this.#hear(news.receipt);
    const { id, to } = news.message;
    const isKnown = this.outbox.has(id);
    if (news.type === 'pass' && to !== null && this.owner.isLeading()) void this.store.append({ ...news.message, to });
    if (news.type === 'kept' || this.owner.isLeading()) this.outbox.keep(news.message);
    if (!isKnown) this.emitter.emit('sent', news.message);
  }

  close(): void {
    this.#sent.close();
  }

  /** Why a message can't be taken; null when it can. */
  #objection(message: PendingMessage): RefusedError | null {
    const { id } = message;
    if (!MESSAGE_ID.test(id)) return new RefusedError('BAD_FRAME', 'an id has 1 to 64 of A-Z a-z 0-9 _ -');
    if (this.outbox.has(id) || this.outbox.hasRoomFor(bytesOf(message))) return null;
    return new RefusedError('OUTBOX_FULL', 'too many messages wait to be sent');
  }

  async #keep(message: PendingMessage): Promise<{ persistent: boolean }> {
    const { id, to } = message;
    this.outbox.add(message);
    // As with every other message, handlers are called later.
    await (to !== null && this.store.append({ ...message, to }));
    const persistent = to !== null && this.store.persistent;
    if (!this.outbox.has(id)) {
      void this.store.settle([id]); // It was taken back meanwhile, or another tab has read it and has its receipt.
    } else {
      this.owner.tell({ type: persistent ? 'kept' : 'pass', message });
      if (to !== null || this.owner.isLeading()) this.outbox.keep(message);
    }
    return { persistent };
  }

  /** A message has its outcome. Told first and then removed: after a crash between it is sent again, and told again. */
  #settled(receipt: ReceiptEvent): void {
    this.#tell(receipt);
    if (receipt.to !== null) void this.store.settle([receipt.id]);
  }

  #tell(receipt: ReceiptEvent): void {
    this.owner.tell({ type: 'receipt', receipt });
    this.#hear(receipt);
  }

  #hear(receipt: ReceiptEvent): void {
    // What follows a receipt has no time.
    if (receipt.status === 'refused' || receipt.sentAt !== undefined) {
      this.outbox.forget(receipt.id);
      this.#heardMeanwhile?.add(receipt.id);
      this.#sent.settle(receipt);
    }
    this.emitter.emit('receipt', receipt);
  }
}

/** Returns the message as it is now, whatever becomes of its `meta`; null when JSON can't hold that. */
function copyOf(message: PendingMessage): PendingMessage | null {
  try {
    return message.meta ? (JSON.parse(JSON.stringify(message)) as PendingMessage) : message;
  } catch {
    return null; // A circle, or a bigint.
  }
}
