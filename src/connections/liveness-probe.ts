import type { Clock } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Connection } from './connection.js';

/** How long a peer has to reply to a ping, in milliseconds. */
const PONG_WITHIN_MS = 1_000;

/**
 * Makes room for a new connection of a user who has as many as allowed. A phone that changes its network leaves
 * connections behind. They look open until their heartbeat, and would lock the user out.
 */
export class LivenessProbe {
  private readonly probes = new Map<string, Promise<void>>();
  private readonly closing = new Map<Connection, () => void>();

  constructor(private readonly clock: Clock) {}

  /**
   * Pings these connections of the user, and closes with 4408 the oldest one that is silent for a second. Resolves when
   * that one is removed, or when none is silent. Calls for the same user that come meanwhile share the outcome.
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

  /** Resolves the call that waits for this connection to be removed. */
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
    await new Promise<void>((resolve) => void this.clock.after(PONG_WITHIN_MS, resolve));
    // After a stall of the process the timer runs first, while pongs that have arrived are still unread.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const silent = connections.find((connection, n) => {
      if (connection.lastSeenAt >= askedAt) return false;
      // A connection whose socket is not read cannot be judged by its pong. A slow consumer is judged by whether
      // anything has left.
      return !connection.reading.isHeld || (connection.isSlowConsumer && connection.bufferedBytes >= bytesBefore[n]!);
    });
    if (!silent || !isConnected(silent)) return;
    const removed = new Promise<void>((resolve) => this.closing.set(silent, resolve));
    silent.abandon(CloseCode.NO_PONG, 'no pong, and a newer connection needs the slot');
    await removed;
  }
}
