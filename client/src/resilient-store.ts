import { MemoryStore } from './memory-store.js';
import type { InboxMessage, MessageKey, OutboxEntry, Store } from './store.js';

/**
 * A store that fails only at `clear`: when the one beneath does, as with a full disk, the memory takes over for the rest
 * of the page's life, and `onFailure` is called once. What was seen before may come a second time then. What is removed
 * is also removed beneath, where a full disk allows it: otherwise it would come back with the next page.
 */
export class ResilientStore implements Store {
  #memory: MemoryStore | null = null;

  constructor(
    private readonly inner: Store,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  get persistent(): boolean {
    return this.#memory === null && this.inner.persistent;
  }

  append(entry: OutboxEntry): Promise<void> {
    return this.#attempt((store) => store.append(entry));
  }

  settle(ids: readonly string[]): Promise<void> {
    return this.#removeFromBoth((store) => store.settle(ids));
  }

  outbox(): Promise<readonly OutboxEntry[]> {
    return this.#attempt((store) => store.outbox());
  }

  receive(messages: readonly InboxMessage[]): Promise<readonly InboxMessage[]> {
    return this.#attempt((store) => store.receive(messages));
  }

  inbox(): Promise<readonly InboxMessage[]> {
    return this.#attempt((store) => store.inbox());
  }

  handled(keys: readonly MessageKey[]): Promise<void> {
    return this.#removeFromBoth((store) => store.handled(keys));
  }

  /** Rejects when something may be left beneath. The memory has taken over then, so that nothing of it is used here. */
  async clear(): Promise<void> {
    const beneath = this.inner.clear();
    await this.#attempt((store) => (store === this.inner ? beneath : store.clear()));
    return beneath;
  }

  close(): Promise<void> {
    return this.inner.close().catch(() => undefined); // What it could not write has failed before, and was told.
  }

  async #removeFromBoth(remove: (store: Store) => Promise<void>): Promise<void> {
    if (this.#memory) await remove(this.inner).catch(() => undefined); // That it fails was told before.
    return this.#attempt(remove);
  }

  async #attempt<T>(work: (store: Store) => Promise<T>): Promise<T> {
    if (this.#memory) return work(this.#memory);
    try {
      return await work(this.inner);
    } catch (error) {
      if (!this.#memory) this.onFailure(error);
      this.#memory ??= new MemoryStore();
      return work(this.#memory);
    }
  }
}
