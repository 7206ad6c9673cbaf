import type { Clock } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Connection } from './connection.js';

/** The longest wait of a timer in Node. A longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Closes connections when the credentials of their users expire. */
export class Expiry {
  private readonly cancels = new Map<Connection, () => void>();

  constructor(private readonly clock: Clock) {}

  /** Closes this connection with 4401 at that time, in milliseconds since 1970. */
  add(connection: Connection, expiresAt: number): void {
    const waitMs = Math.min(Math.max(expiresAt - this.clock.now(), 0), MAX_TIMER_MS);
    const cancel = this.clock.after(waitMs, () => {
      // A timer can fire early, and a clock can be set back.
      if (this.clock.now() < expiresAt) return this.add(connection, expiresAt);
      this.cancels.delete(connection);
      connection.dismiss(CloseCode.EXPIRED, 'the credentials have expired; reconnect with new ones');
    });
    this.cancels.set(connection, cancel);
  }

  /** Forgets a connection that has ended. */
  remove(connection: Connection): void {
    this.cancels.get(connection)?.();
    this.cancels.delete(connection);
  }
}
