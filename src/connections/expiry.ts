import type { Clock } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Connection } from './connection.js';

/** The longest that a timer of Node waits; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Ends connections when what their users proved is over. */
export class Expiry {
  private readonly cancels = new Map<Connection, () => void>();

  constructor(private readonly clock: Clock) {}

  /** Ends this connection with 4401 at that time, in milliseconds since 1970. */
  watch(connection: Connection, expiresAt: number): void {
    const wait = Math.min(Math.max(expiresAt - this.clock.now(), 0), MAX_TIMER_MS);
    const cancel = this.clock.after(wait, () => {
      // Timers can be early, and clocks are set.
      if (this.clock.now() < expiresAt) return this.watch(connection, expiresAt);
      this.cancels.delete(connection);
      connection.revoke(CloseCode.EXPIRED, 'the credentials have expired; reconnect with new ones');
    });
    this.cancels.set(connection, cancel);
  }

  /** The connection has ended by itself. */
  forget(connection: Connection): void {
    this.cancels.get(connection)?.();
    this.cancels.delete(connection);
  }
}
