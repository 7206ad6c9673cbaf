import type { Clock } from '../options/clock.js';

/** How often a node publishes to itself, in milliseconds. */
const ECHO_MS = 1_000;
/** A node that has not heard itself for longer than this is deaf, in milliseconds. */
const DEAF_MS = 3_000;

/** The first byte of an echo. That of a packet is another. */
const ECHO = 0;

/**
 * Finds out that a session with the engine is dead although it looks alive: a cut that nobody notices, a subscription
 * that is gone, an engine that stands still. A node publishes to itself and expects to hear it, which tries the whole
 * way.
 */
export class Echo {
  /** What the node publishes to itself. */
  static readonly packet = Buffer.of(ECHO);
  private heardAt: number;
  private cancel: () => void;

  constructor(
    private readonly clock: Clock,
    private readonly publish: () => void,
    private readonly onDeaf: () => void,
  ) {
    this.heardAt = clock.monotonic();
    this.cancel = clock.after(0, () => this.look());
  }

  /** Returns true for an echo, which is no packet. */
  heard(packet: Buffer): boolean {
    if (packet.length !== 1 || packet[0] !== ECHO) return false;
    this.heardAt = this.clock.monotonic();
    return true;
  }

  stop(): void {
    this.cancel();
  }

  private look(): void {
    if (this.clock.monotonic() - this.heardAt > DEAF_MS) return this.onDeaf();
    this.cancel = this.clock.after(ECHO_MS, () => this.look());
    this.publish();
  }
}
