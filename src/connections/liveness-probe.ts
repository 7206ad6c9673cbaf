import type { Clock } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Connection } from './connection.js';

/** How long a peer has to answer, in milliseconds. */
const ANSWER_WITHIN_MS = 1_000;

/**
 * Makes room for a new connection of a user who has as many as there may be. A phone that changed its network leaves
 * connections behind which look open until their heartbeat, and would keep the user out.
 */
export class LivenessProbe {
  private readonly probes = new Map<string, Promise<void>>();
  private readonly closing = new Map<Connection, () => void>();

  constructor(private readonly clock: Clock) {}

  /**
   * Pings these connections of the user, oldest first, and closes the first that is silent for a second with 4408.
   * Resolves when that one is removed, or when none is silent. A call that comes meanwhile shares the outcome.
   */
  makeRoom(
    user: string,
    connections: readonly Connection[],
    isConnected: (connection: Connection) => boolean,
  ): Promise<void> {
    let probe = this.probes.get(user);
    if (!probe) {
      probe = this.probe(connections, isConnected).finally(() => this.probes.delete(user));
      this.probes.set(user, probe);
    }
    return probe;
  }

  /** A connection was removed. */
  handleRemoved(connection: Connection): void {
    this.closing.get(connection)?.();
    this.closing.delete(connection);
  }

  private async probe(
    connections: readonly Connection[],
    isConnected: (connection: Connection) => boolean,
  ): Promise<void> {
    const askedAt = this.clock.now();
    const bytesBefore = connections.map((connection) => connection.bufferedBytes);
    for (const connection of connections) connection.writePing();
    await new Promise<void>((resolve) => void this.clock.after(ANSWER_WITHIN_MS, resolve));
    // After a stall of this process the timer is the first to run, and the pongs that came meanwhile are still unread.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const silent = connections.find((connection, n) => {
      if (connection.lastSeenAt >= askedAt) return false;
      // A connection that is not read can't be heard. For a slow consumer it counts whether anything has left.
      return !connection.reading.isHeld || (connection.isSlowConsumer && connection.bufferedBytes >= bytesBefore[n]!);
    });
    if (!silent || !isConnected(silent)) return;
    const removed = new Promise<void>((resolve) => this.closing.set(silent, resolve));
    silent.abandon(CloseCode.NO_PONG, 'no pong, and a newer connection needs the place');
    await removed;
  }
}
