import type { ChatError } from '../protocol/chat-error.js';
import type { Message, Receipt } from '../protocol/message.js';

/** Who sent a message and is told what became of it: a connection, or a REST call. */
export interface Sender {
  /** `repeated`: the message had been taken before, and this is the receipt of the first. */
  onReceipt(receipt: Receipt, repeated: boolean): void;
  onRefused(error: ChatError, id: string): void;
}

/** What the sender of one message is told, once: a receipt or a refusal. A repeat of the message joins and hears the same. */
export class Answer {
  private receipt: Receipt | null = null;
  private joined: Sender[] = [];

  constructor(
    private readonly id: string,
    private readonly sender: Sender | null,
  ) {}

  /** The answer to a message that was receipted in an earlier run. */
  static given(id: string, status: 'stored', sentAt: number): Answer {
    const answer = new Answer(id, null);
    answer.receipted(status, sentAt);
    return answer;
  }

  join(sender: Sender): void {
    if (this.receipt) sender.onReceipt(this.receipt, true);
    else this.joined.push(sender);
  }

  /** The first receipt stands: a message that was stored and is confirmed later gets no second one. */
  receipted(status: 'delivered' | 'stored', sentAt: number, repeated = false): void {
    if (this.receipt) return;
    this.receipt = { id: this.id, status, sentAt };
    this.sender?.onReceipt(this.receipt, repeated);
    for (const sender of this.joined) sender.onReceipt(this.receipt, true);
    this.joined = [];
  }

  refused(error: ChatError): void {
    this.sender?.onRefused(error, this.id);
    for (const sender of this.joined) sender.onRefused(error, this.id);
    this.joined = [];
  }
}

/** Answers of at least this many messages are remembered, and of no more than twice as many. */
const REMEMBERED = 10_000;

/**
 * The answers to the last messages that brought an id of their sender's, so that a repeat is told and not taken again
 * [protocol 2.5]. They are forgotten a generation at a time: a Map that loses its oldest entry at every message has to
 * look for it among the holes of those before, which cost a fifth of the relay.
 */
export class RememberedAnswers {
  private recent = new Map<string, Answer>();
  private older = new Map<string, Answer>();

  find(key: string): Answer | undefined {
    return this.recent.get(key) ?? this.older.get(key);
  }

  add(key: string, answer: Answer): void {
    if (this.recent.size >= REMEMBERED) {
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(key, answer);
  }

  forget(key: string): void {
    this.recent.delete(key);
    this.older.delete(key);
  }
}

/** Under which the answer to a message is remembered: no user name holds a line feed. */
export function answerKey({ from, to, id }: Pick<Message, 'from' | 'to' | 'id'>): string {
  return `${from}\n${to}\n${id}`;
}
