import type { ChatError } from '../protocol/chat-error.js';
import type { Message, Receipt } from '../protocol/message.js';

/** What tells a message from all others [protocol 2.5]. */
type Identity = Pick<Message, 'id' | 'from' | 'to'>;

/** Who sent a message and is told what became of it: a connection, or a REST call. */
export interface OutcomeListener {
  /** `repeated`: the message had been taken before, and this is the receipt of the first. */
  onReceipt(receipt: Receipt, repeated: boolean): void;
  onRefused(error: ChatError, id: string): void;
}

/** What the sender of one message is told, once: a receipt or a refusal. A repeat of the message joins and hears the same. */
export class PendingReceipt implements Identity {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  private receipt: Receipt | null = null;
  /** Who waits to be told, the first one in front; null when all were. */
  private senders: OutcomeListener[] | null;

  constructor({ id, from, to }: Identity, sender: OutcomeListener | null) {
    // Not the message itself, and its sender only until it is told: the answer is remembered for longer than either is needed.
    this.id = id;
    this.from = from;
    this.to = to;
    this.senders = sender && [sender];
  }

  /** The answer to a message that was receipted in an earlier run. */
  static given(message: Identity, status: 'stored', sentAt: number): PendingReceipt {
    const answer = new PendingReceipt(message, null);
    answer.receipted(status, sentAt);
    return answer;
  }

  join(sender: OutcomeListener): void {
    if (this.receipt) sender.onReceipt(this.receipt, true);
    else this.senders?.push(sender);
  }

  /** The first receipt stands: a message that was stored and is confirmed later gets no second one. */
  receipted(status: 'delivered' | 'stored', sentAt: number, repeated = false): void {
    if (this.receipt) return;
    const receipt = { id: this.id, status, sentAt };
    this.receipt = receipt;
    this.tell((sender, joined) => sender.onReceipt(receipt, repeated || joined));
  }

  refused(error: ChatError): void {
    this.tell((sender) => sender.onRefused(error, this.id));
  }

  private tell(one: (sender: OutcomeListener, joined: boolean) => void): void {
    const senders = this.senders;
    this.senders = null;
    senders?.forEach((sender, index) => one(sender, index > 0));
  }
}

/** Answers of at least this many messages are remembered, and of no more than twice as many. */
const REMEMBERED = 10_000;

/**
 * The answers to the last messages that brought an id of their sender's, so that a repeat is told and not taken again
 * [protocol 2.5]. They are forgotten a generation at a time: a Map that loses its oldest entry at every message has to
 * look for it among the holes of those before, which cost a fifth of the relay.
 */
export class IdempotencyCache {
  private recent = new Generation();
  private older = new Generation();

  find(message: Identity): PendingReceipt | undefined {
    return this.recent.find(message) ?? this.older.find(message);
  }

  /** Adds an answer that `find` does not find. */
  add(answer: PendingReceipt): void {
    if (this.recent.size >= REMEMBERED) {
      this.older = this.recent;
      this.recent = new Generation();
    }
    this.recent.add(answer);
  }

  forget(message: Identity): void {
    this.recent.delete(message);
    this.older.delete(message);
  }
}

/**
 * One generation, by ids. Most are not used twice, so that one is a key by itself: to put one together of id and users, and
 * to hash it, cost a twentieth of the relay. Where several messages have the same id they are told apart by their users.
 */
class Generation {
  size = 0;
  private readonly byId = new Map<string, PendingReceipt | Map<string, PendingReceipt>>();

  find(message: Identity): PendingReceipt | undefined {
    const found = this.byId.get(message.id);
    if (found instanceof Map) return found.get(usersOf(message));
    return found?.from === message.from && found.to === message.to ? found : undefined;
  }

  add(answer: PendingReceipt): void {
    this.size += 1;
    const found = this.byId.get(answer.id);
    if (!found) this.byId.set(answer.id, answer);
    else if (found instanceof Map) found.set(usersOf(answer), answer);
    else this.byId.set(answer.id, new Map([found, answer].map((each) => [usersOf(each), each])));
  }

  delete(message: Identity): void {
    if (!this.find(message)) return;
    this.size -= 1;
    const found = this.byId.get(message.id);
    if (found instanceof Map) found.delete(usersOf(message));
    else this.byId.delete(message.id);
  }
}

/** Sender and recipient in one text: no user name holds a line feed. */
function usersOf({ from, to }: Identity): string {
  return `${from}\n${to}`;
}
