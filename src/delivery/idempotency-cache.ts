import type { Message } from '../protocol/message.js';
import { PendingReceipt, type MessageIdentity, type OutcomeListener } from './pending-receipt.js';
import { ReceiptGeneration } from './receipt-generation.js';

/** At least this many messages with an outcome are remembered, and at most twice as many. */
const REMEMBERED = 10_000;

/**
 * Remembers the last messages that had an id of their sender, or were read from the disk, so that a repeat gets the
 * receipt of the first and is not accepted again [protocol 2.5]. Only a message without an outcome is an object. Then it
 * is a few numbers of a generation, and a whole generation is dropped at a time, so that nothing is taken out of one.
 */
export class IdempotencyCache {
  private recent: ReceiptGeneration;
  private older: ReceiptGeneration;
  /** The messages without an outcome, by hash; those with the same hash follow each other. */
  private readonly open = new Map<number, PendingReceipt>();

  /** The hash only says where to look: messages are compared by their whole identity. */
  constructor(
    remembered = REMEMBERED,
    private readonly hashOf: (message: MessageIdentity) => number = seededHashOf,
  ) {
    this.recent = new ReceiptGeneration(remembered);
    this.older = new ReceiptGeneration(remembered);
  }

  /** Adds a message and returns its receipt; null if it is a repeat, whose sender then hears what the first one does. */
  accept(message: MessageIdentity, listener: OutcomeListener): PendingReceipt | null {
    const hash = this.hashOf(message);
    const receipt = this.recent.find(message, hash) ?? this.older.find(message, hash);
    if (receipt) {
      listener.onReceipt(receipt, true);
      return null;
    }
    const first = this.findOpen(message, hash);
    if (first) {
      first.join(listener);
      return null;
    }
    const added = new PendingReceipt(message, listener, this, hash);
    added.next = this.open.get(hash) ?? null;
    this.open.set(hash, added);
    return added;
  }

  /** Adds a message that was read from the disk, so that a repeat of it is found. */
  addStored(message: MessageIdentity & Pick<Message, 'sentAt' | 'extras'>): void {
    const hash = this.hashOf(message);
    const isKnown = this.recent.find(message, hash) ?? this.older.find(message, hash) ?? this.findOpen(message, hash);
    if (!isKnown) this.remember(message, hash, 'stored', message.sentAt, message.extras?.position);
  }

  onReceipt(pending: PendingReceipt, status: 'delivered' | 'stored', sentAt: number, position?: number): void {
    this.removeOpen(pending);
    this.remember(pending.message, pending.hash, status, sentAt, position);
  }

  onRefused(pending: PendingReceipt): void {
    this.removeOpen(pending);
  }

  private remember(
    message: MessageIdentity,
    hash: number,
    status: 'delivered' | 'stored',
    sentAt: number,
    position: number | undefined,
  ): void {
    if (this.recent.isFull) {
      [this.recent, this.older] = [this.older, this.recent];
      this.recent.clear();
    }
    this.recent.add(message, hash, status, sentAt, position);
  }

  private findOpen({ id, from, to }: MessageIdentity, hash: number): PendingReceipt | null {
    let each = this.open.get(hash) ?? null;
    while (each && (each.message.id !== id || each.message.from !== from || each.message.to !== to)) each = each.next;
    return each;
  }

  private removeOpen(pending: PendingReceipt): void {
    let before = this.open.get(pending.hash);
    if (before !== pending) {
      while (before && before.next !== pending) before = before.next ?? undefined;
      if (before) before.next = pending.next;
    } else if (pending.next) this.open.set(pending.hash, pending.next);
    else this.open.delete(pending.hash);
  }
}

const { imul } = Math;

/** Senders choose their ids, and nobody can choose some that meet in one place without knowing this. */
const [SEED = 0] = crypto.getRandomValues(new Int32Array(1));

/** FNV-1a over id and users, with its bits mixed at the end, because the low ones choose the place. */
function seededHashOf({ id, from, to }: MessageIdentity): number {
  const hash = hashed(hashed(hashed(SEED, id), from), to);
  return imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (hash >>> 12);
}

function hashed(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index += 1) hash = imul(hash ^ text.charCodeAt(index), 0x01000193);
  return imul(hash ^ text.length, 0x01000193);
}
