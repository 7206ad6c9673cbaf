import { keyOf, MAX_SEEN, type InboxMessage, type MessageKey, type OutboxEntry, type Store } from './store.js';

/** A store that ends with the page or the process. */
export class MemoryStore implements Store {
  readonly persistent = false;
  readonly #outbox = new Map<string, OutboxEntry>();
  readonly #inbox = new Map<MessageKey, InboxMessage>();
  readonly #seen = new Set<MessageKey>();

  async append(entry: OutboxEntry): Promise<void> {
    if (!this.#outbox.has(entry.id)) this.#outbox.set(entry.id, entry);
  }

  async settle(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#outbox.delete(id);
  }

  async outbox(): Promise<readonly OutboxEntry[]> {
    return [...this.#outbox.values()];
  }

  async receive(messages: readonly InboxMessage[]): Promise<readonly InboxMessage[]> {
    return messages.filter((message) => {
      const key = keyOf(message);
      if (this.#seen.has(key)) return false;
      this.#seen.add(key);
      if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value!);
      this.#inbox.set(key, message);
      return true;
    });
  }

  async inbox(): Promise<readonly InboxMessage[]> {
    return [...this.#inbox.values()];
  }

  async handled(keys: readonly MessageKey[]): Promise<void> {
    for (const key of keys) this.#inbox.delete(key);
  }

  async clear(): Promise<void> {
    this.#outbox.clear();
    this.#inbox.clear();
    this.#seen.clear();
  }

  async close(): Promise<void> {}
}
