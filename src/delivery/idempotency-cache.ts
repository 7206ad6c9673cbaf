import { PendingReceipt, type MessageIdentity } from './pending-receipt.js';

/** At least this many messages are remembered, and at most twice as many. */
const REMEMBERED = 10_000;

/**
 * The receipts of the last messages that had an id of their sender, or were read from the disk, so that a repeat gets
 * the receipt of the first and is not accepted again [protocol 2.5]. It drops a whole generation at a time, as hashlru
 * does. A Map that loses its oldest entry with every message searches for it among the holes of earlier ones, which
 * cost a fifth of the relay.
 */
export class IdempotencyCache {
  private recent = new Generation();
  private older = new Generation();

  find(message: MessageIdentity): PendingReceipt | undefined {
    return this.recent.find(message) ?? this.older.find(message);
  }

  /** Adds a receipt that `find` does not find. */
  add(receipt: PendingReceipt): void {
    if (this.recent.size >= REMEMBERED) {
      this.older = this.recent;
      this.recent = new Generation();
    }
    this.recent.add(receipt);
  }

  /** Adds a message that was read from the disk, so that a repeat of it is found. */
  addStored(message: MessageIdentity & { readonly sentAt: number }): void {
    if (!this.find(message)) this.add(PendingReceipt.ofStored(message, message.sentAt));
  }

  remove(message: MessageIdentity): void {
    this.recent.remove(message);
    this.older.remove(message);
  }
}

/**
 * One generation, by ids. Most ids are used once, so the id alone is the key: building a key from id and users, and
 * hashing it, cost a twentieth of the relay. Messages with the same id are distinguished by their users.
 */
class Generation {
  size = 0;
  private readonly byId = new Map<string, PendingReceipt | Map<string, PendingReceipt>>();

  find(message: MessageIdentity): PendingReceipt | undefined {
    const found = this.byId.get(message.id);
    if (found instanceof Map) return found.get(usersOf(message));
    return found?.from === message.from && found.to === message.to ? found : undefined;
  }

  add(receipt: PendingReceipt): void {
    this.size += 1;
    const found = this.byId.get(receipt.id);
    if (!found) this.byId.set(receipt.id, receipt);
    else if (found instanceof Map) found.set(usersOf(receipt), receipt);
    else this.byId.set(receipt.id, new Map([found, receipt].map((each) => [usersOf(each), each])));
  }

  remove(message: MessageIdentity): void {
    if (!this.find(message)) return;
    this.size -= 1;
    const found = this.byId.get(message.id);
    if (found instanceof Map) found.delete(usersOf(message));
    else this.byId.delete(message.id);
  }
}

/** Sender and recipient in one string. User names contain no line feed. */
function usersOf({ from, to }: MessageIdentity): string {
  return `${from}\n${to}`;
}
