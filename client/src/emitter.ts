import type { ClientEvents } from './api.js';

type Handler<E extends keyof ClientEvents> = (data: ClientEvents[E]) => unknown;

/**
 * Calls handlers, a moment later: what they do never comes in the middle of what the client does. What they throw, or
 * reject with, becomes an `error` event: it never reaches the caller.
 */
export class Emitter {
  readonly #handlers = new Map<keyof ClientEvents, Set<Handler<never>>>();

  on<E extends keyof ClientEvents>(event: E, handler: Handler<E>): () => void {
    const own: Handler<E> = (data) => handler(data); // The same function may be registered twice.
    this.of(event).add(own);
    return () => void this.of(event).delete(own);
  }

  of<E extends keyof ClientEvents>(event: E): Set<Handler<E>> {
    let handlers = this.#handlers.get(event);
    if (!handlers) this.#handlers.set(event, (handlers = new Set()));
    return handlers as Set<Handler<E>>;
  }

  emit<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): void {
    for (const handler of this.of(event)) {
      this.call(handler, data).catch((error: unknown) => {
        if (event === 'error') console.error(error);
        else this.fail(error, 'handler');
      });
    }
  }

  /** Calls one handler; rejects with what it throws. */
  async call<E extends keyof ClientEvents>(handler: Handler<E>, data: ClientEvents[E]): Promise<void> {
    await Promise.resolve();
    await handler(data);
  }

  fail(error: unknown, about: ClientEvents['error']['about']): void {
    if (this.of('error').size === 0) console.error(`holdfast: ${about}:`, error);
    else this.emit('error', { error, about });
  }
}
