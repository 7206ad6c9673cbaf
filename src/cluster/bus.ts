import type { Emitter } from '../options/emitter.js';

/** Called once for a packet: true when the engine took it, false when it was dropped. */
export type Settled = (taken: boolean) => void;

/**
 * Carries sealed packets between nodes, over an engine that the operator has. It may lose, repeat and delay packets: a
 * link numbers them and finds that out. It never blocks the caller.
 */
export interface Bus {
  /** A packet for this node came. */
  readonly received: Emitter<Buffer>;
  /** Names the bus in logs, without a password. */
  readonly title: string;
  /** The largest packet that it carries, in bytes. */
  readonly maxPacketBytes: number;
  /** Begins to listen as this node, and to no other any more; resolves when it hears, or is closed. */
  listen(node: number): Promise<void>;
  /** Sends a packet to a node, or drops it when the engine does not take it. Packets to one node keep their order. */
  publish(node: number, packet: Buffer, settled: Settled): void;
  /** The node hears: its subscription stands. */
  readonly isListening: boolean;
  /** Sends what waits, for a short time, and ends. */
  close(): Promise<void>;
}
