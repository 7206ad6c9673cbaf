import type { Clock } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Connection } from './connection.js';

/** How long a peer has to answer, in milliseconds. */
const ANSWER_WITHIN_MS = 1_000;

/**
 * Makes room for a new connection of a user who has as many as there may be: a phone that changed its network leaves
 * connections behind that look open until their heartbeat, and would keep itself out.
 */
export class LivenessProbe {
  private readonly asking = new Map<string, Promise<void>>();
  private readonly leaving = new Map<Connection, () => void>();

  constructor(private readonly clock: Clock) {}

  /**
   * Pings these connections of the user, the oldest first, and ends the first that is silent for a second with 4408; resolves
   * when it is gone, or when none is silent. Who asks meanwhile waits for the same answer.
   */
  makeRoom(
    user: string,
    connections: readonly Connection[],
    isThere: (connection: Connection) => boolean,
  ): Promise<void> {
    let asked = this.asking.get(user);
    if (!asked) {
      asked = this.ask(connections, isThere).finally(() => this.asking.delete(user));
      this.asking.set(user, asked);
    }
    return asked;
  }

  /** A connection is gone. */
  onGone(connection: Connection): void {
    this.leaving.get(connection)?.();
    this.leaving.delete(connection);
  }

  private async ask(connections: readonly Connection[], isThere: (connection: Connection) => boolean): Promise<void> {
    const askedAt = this.clock.now();
    const before = connections.map((connection) => connection.bufferedBytes);
    for (const connection of connections) connection.ping();
    await new Promise<void>((resolve) => void this.clock.after(ANSWER_WITHIN_MS, resolve));
    // After a stall of this process the timer is the first to run, and the pongs that came meanwhile are still unread.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const silent = connections.find((connection, n) => {
      if (connection.lastSeenAt >= askedAt) return false;
      // We do not listen to one that is paused; of one that does not read we know whether it took something.
      return !connection.reading.isHeld || (connection.isChoked && connection.bufferedBytes >= before[n]!);
    });
    if (!silent || !isThere(silent)) return;
    const gone = new Promise<void>((resolve) => this.leaving.set(silent, resolve));
    silent.abandon(CloseCode.NO_PONG, 'no pong, and a newer connection needs the place');
    await gone;
  }
}
