import { keyOf, MAX_SEEN, type InboxMessage, type MessageKey, type OutboxEntry } from './store.js';

/** One line of the log of a file store. `seen` is only in a log that was made anew. */
export type LogRecord =
  | { readonly append: OutboxEntry }
  | { readonly settle: readonly string[] }
  | { readonly receive: readonly InboxMessage[] }
  | { readonly handled: readonly MessageKey[] }
  | { readonly clear: true }
  | { readonly seen: readonly MessageKey[] };

/** What a log says: the sum of its records. */
export class LogState {
  readonly outbox = new Map<string, OutboxEntry>();
  readonly inbox = new Map<MessageKey, InboxMessage>();
  readonly seen = new Set<MessageKey>();

  /** Adds a record. One of a later version, which is not known, changes nothing. */
  apply(record: LogRecord): void {
    if ('append' in record) this.outbox.set(record.append.id, record.append);
    else if ('settle' in record) for (const id of record.settle) this.outbox.delete(id);
    else if ('receive' in record) this.#receive(record.receive);
    else if ('handled' in record) for (const key of record.handled) this.inbox.delete(key);
    else if ('seen' in record) this.#see(record.seen);
    else if ('clear' in record) for (const part of [this.outbox, this.inbox, this.seen]) part.clear();
  }

  /** The fewest records that say the same. */
  records(): LogRecord[] {
    return [
      { seen: [...this.seen] },
      { receive: [...this.inbox.values()] },
      ...[...this.outbox.values()].map((append) => ({ append })),
    ];
  }

  #receive(messages: readonly InboxMessage[]): void {
    for (const message of messages) this.inbox.set(keyOf(message), message);
    this.#see(messages.map(keyOf));
  }

  #see(keys: readonly MessageKey[]): void {
    for (const key of keys) this.seen.add(key);
    for (const oldest of this.seen) {
      if (this.seen.size <= MAX_SEEN) break;
      this.seen.delete(oldest);
    }
  }
}
