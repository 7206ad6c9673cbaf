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
 * One timer serves all connections. It is not stopped with the application: a server that goes away still relays while
 * it closes one group of connections after the other, and the timer ends by itself.
 */
export class LatePings {
  /** In the order in which they are due. */
  private waiting: { readonly connection: Askable; readonly seq: number; readonly dueAt: number }[] = [];
  private isScheduled = false;

  constructor(private readonly clock: Clock) {}

  /** Asks for the confirmation of a message that was just written, in 45 to 50 ms. */
  add(connection: Askable, seq: number): void {
    this.waiting.push({ connection, seq, dueAt: this.clock.monotonic() + LATE_PING_MS });
    if (!this.isScheduled) this.schedule(LATE_PING_MS);
  }

  private schedule(ms: number): void {
    this.isScheduled = true;
    this.clock.after(ms, () => this.askAllDue());
  }

  private askAllDue(): void {
    const now = this.clock.monotonic();
    this.isScheduled = false;
    const later = this.waiting.findIndex(({ dueAt }) => dueAt > now + TOGETHER_MS);
    const due = this.waiting.splice(0, later < 0 ? this.waiting.length : later);
    for (const { connection, seq } of due) connection.askFor(seq);
    if (this.waiting.length > 0) this.schedule(this.waiting[0]!.dueAt - now);
  }
}
