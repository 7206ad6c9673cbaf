import type { Clock } from '../options/clock.js';
import { LATE_PING_MS } from './pong-confirmation.js';

/** Pings that are due within this many milliseconds are written together. */
const TOGETHER_MS = 5;

/** The part of a connection that late pings need. */
interface Askable {
  /** Asks for the confirmation of this message, unless a ping does already. */
  askFor(seq: number): void;
}

/**
 * Asks for the confirmation of messages that were written without a ping, and that no later message has brought one.
 * One timer serves all connections.
 */
export class LatePings {
  /** In the order in which they are due. */
  private waiting: { readonly connection: Askable; readonly seq: number; readonly dueAt: number }[] = [];
  private cancel: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  /** Asks for the confirmation of a message that was just written, in 45 to 50 ms. */
  add(connection: Askable, seq: number): void {
    this.waiting.push({ connection, seq, dueAt: this.clock.monotonic() + LATE_PING_MS });
    this.cancel ??= this.schedule(LATE_PING_MS);
  }

  stop(): void {
    this.cancel?.();
  }

  private schedule(ms: number): () => void {
    return this.clock.after(ms, () => this.askAllDue());
  }

  private askAllDue(): void {
    const dueBy = this.clock.monotonic() + TOGETHER_MS;
    const first = this.waiting.findIndex(({ dueAt }) => dueAt > dueBy);
    const due = first < 0 ? this.waiting.splice(0) : this.waiting.splice(0, first);
    for (const { connection, seq } of due) connection.askFor(seq);
    const [next] = this.waiting;
    this.cancel = next ? this.schedule(next.dueAt - dueBy + TOGETHER_MS) : null;
  }
}
