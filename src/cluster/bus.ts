import type { Emitter } from '../options/emitter.js';

/**
 * Carries sealed packets between nodes, over an engine that the operator has. It may lose, repeat and delay packets: a
 * link numbers its frames and finds that out. It never blocks the caller.
 */
export interface Bus {
  /** A packet for this node came. */
  readonly received: Emitter<Buffer>;
  /** Names the bus in logs, without a password. */
  readonly title: string;
  /** Begins to listen as this node, and to no other any more; resolves when it hears. */
  listen(node: number): Promise<void>;
  /** Sends a packet to a node, or drops it when the engine does not take it. */
  publish(node: number, packet: Buffer): void;
  /** The node hears: its subscription stands. */
  readonly isListening: boolean;
  close(): Promise<void>;
}
