import { Emitter } from '../src/emitter.js';
import type { ClientEvents, ConnectionState, HoldfastClient, PendingMessage, StateChange } from '../src/index.js';

/** What the hooks use of a client, driven by hand. */
export class FakeClient {
  readonly calls: ('connect' | 'leave')[] = [];
  state: StateChange = { state: 'idle', why: '', code: null, retryAt: null };
  readonly #emitter = new Emitter();
  #pending: readonly PendingMessage[] = [];

  get client(): HoldfastClient {
    return this as unknown as HoldfastClient;
  }

  /** Another array at each call, as that of a client is. */
  get pending(): readonly PendingMessage[] {
    return [...this.#pending];
  }

  /** What was signalled, each as its recipient and its kind. */
  readonly signals: string[] = [];

  signal(to: string, kind: string): void {
    this.signals.push(`${to} ${kind}`);
  }

  connect(): void {
    this.calls.push('connect');
  }

  leave(): void {
    this.calls.push('leave');
  }

  on<E extends keyof ClientEvents>(event: E, handler: (data: ClientEvents[E]) => unknown): () => void {
    return this.#emitter.on(event, handler);
  }

  /** Calls all handlers; resolves when they are done. */
  async tell<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): Promise<void> {
    await Promise.all([...this.#emitter.of(event)].map((handler) => this.#emitter.call(handler, data)));
  }

  become(state: ConnectionState): Promise<void> {
    this.state = { ...this.state, state };
    return this.tell('state', this.state);
  }

  send(id: string): Promise<void> {
    const message: PendingMessage = { id, to: 'bob', content: 'see you at noon', at: 0 };
    this.#pending = [...this.#pending, message];
    return this.tell('sent', message);
  }

  settle(id: string): Promise<void> {
    this.#pending = this.#pending.filter((message) => message.id !== id);
    return this.tell('receipt', { id, to: 'bob', status: 'delivered' });
  }
}

/** A WebSocket that never opens. */
export class DeafSocket {
  static readonly made: DeafSocket[] = [];
  onmessage: unknown = null;
  onclose: unknown = null;
  onerror: unknown = null;
  isClosed = false;

  constructor() {
    DeafSocket.made.push(this);
  }

  send(): void {
    throw new Error('it is not open');
  }

  close(): void {
    this.isClosed = true;
  }
}
