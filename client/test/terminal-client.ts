import type {
  ClientEvents,
  ClientOptions,
  HoldfastClient,
  PendingMessage,
  ReceiptEvent,
  ReceivedMessage,
  SentMessage,
  StateChange,
} from '../src/api.js';

/** A client without a server: the test says what happens, and sees what was sent. */
export class FakeClient implements HoldfastClient {
  user: string | null = null;
  state: StateChange = { state: 'idle', why: '', code: null, retryAt: null };
  readonly now = 0;
  readonly maxContentBytes = null;
  readonly sent: PendingMessage[] = [];
  /** What was called of `connect` and `close`. */
  readonly calls: string[] = [];
  private waiting: PendingMessage[] = [];
  private readonly handlers = new Map<string, Set<(data: never) => unknown>>();

  constructor(readonly options: ClientOptions) {}

  get pending(): readonly PendingMessage[] {
    return this.waiting;
  }

  on<E extends keyof ClientEvents>(event: E, handler: (data: ClientEvents[E]) => unknown): () => void {
    const handlers = this.handlers.get(event) ?? new Set();
    this.handlers.set(event, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  send(to: string, content: string): SentMessage {
    return this.take(to, content);
  }

  broadcast(content: string): SentMessage {
    return this.take(null, content);
  }

  signal(): void {}

  cancel(): void {}

  connect(): void {
    this.calls.push('connect');
  }

  disconnect(): void {}

  leave(): void {}

  async clear(): Promise<void> {}

  async close(): Promise<void> {
    this.calls.push('close');
    if (typeof this.options.store === 'object') await this.options.store.close();
  }

  online(user = this.options.user ?? 'somebody'): void {
    this.user = user;
    this.become({ state: 'online' });
  }

  become(change: Partial<StateChange>): void {
    this.state = { state: 'idle', why: '', code: null, retryAt: null, ...change };
    this.emit('state', this.state);
  }

  caughtUp(): void {
    this.emit('caughtUp', { delivered: 0 });
  }

  /** A message comes. Resolves when its handlers are done. */
  async receive(message: Partial<ReceivedMessage>): Promise<void> {
    const whole = {
      id: 'm1',
      from: 'bob',
      to: 'alice',
      content: 'hi',
      sentAt: '2026-11-23T09:30:00.000Z',
      stored: false,
    };
    await Promise.all(this.emit('message', { redelivered: false, ...whole, ...message }));
  }

  /** The message that was sent as the n-th has this outcome. */
  settle(index: number, outcome: Omit<ReceiptEvent, 'id' | 'to'>): void {
    const { id, to } = this.sent[index]!;
    this.waiting = this.waiting.filter((each) => each.id !== id);
    this.emit('receipt', { id, to, ...outcome });
  }

  /** What an earlier run has left has an outcome. */
  receipt(receipt: ReceiptEvent): void {
    this.emit('receipt', receipt);
  }

  fail(error: unknown): void {
    this.emit('error', { error, about: 'store' });
  }

  private take(to: string | null, content: string): SentMessage {
    const message = { id: `id-${this.sent.length}`, to, content, at: 0 };
    this.sent.push(message);
    this.waiting.push(message);
    const never = new Promise<never>(() => undefined);
    return { ...message, kept: never, settled: never };
  }

  private emit<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): unknown[] {
    return [...(this.handlers.get(event) ?? [])].map((handler) => handler(data as never));
  }
}
