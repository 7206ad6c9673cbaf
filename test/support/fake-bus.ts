import { Logger } from '@nestjs/common';
import type { Bus, Settled } from '../../src/cluster/bus.js';
import { Emitter } from '../../src/options/emitter.js';

/** What becomes of a packet on its way. */
export type Fate = 'arrives' | 'is lost' | 'comes twice';

/**
 * An engine of buses in memory. Packets arrive in order, in a later turn of the event loop, by no clock. Tests decide
 * what gets lost.
 */
export class FakeEngine {
  /** Decides about each packet. */
  fate: (to: number, packet: Buffer) => Fate = () => 'arrives';
  /** While false, the engine takes nothing: packets wait and are neither taken nor dropped. */
  isRunning = true;
  private readonly subscribers = new Map<number, FakeBus>();
  private waiting: (() => void)[] = [];

  /** Returns a new bus over this engine. */
  connect(maxPacketBytes?: number): FakeBus {
    return new FakeBus(this, maxPacketBytes);
  }

  /** Publishes as anybody can who has access to the engine. */
  publish(to: number, packet: Buffer, settled: Settled = () => undefined): void {
    const arrive = () => {
      settled(true);
      const fate = this.fate(to, packet);
      if (fate === 'is lost') return;
      const copies = fate === 'comes twice' ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) this.subscribers.get(to)?.received.emit(Buffer.from(packet));
    };
    setImmediate(() => (this.isRunning ? arrive() : this.waiting.push(arrive)));
  }

  /** Goes on after `isRunning` was false: what waited arrives. */
  goOn(): void {
    this.isRunning = true;
    const { waiting } = this;
    this.waiting = [];
    for (const arrive of waiting) arrive();
  }

  subscribe(node: number | null, bus: FakeBus): void {
    for (const [id, other] of this.subscribers) if (other === bus) this.subscribers.delete(id);
    if (node !== null) this.subscribers.set(node, bus);
  }
}

/** A bus in memory, of one node. */
export class FakeBus implements Bus {
  readonly received = new Emitter<Buffer>(new Logger('FakeBus'), 'received');
  readonly title = 'memory';
  isListening = false;

  constructor(
    private readonly engine: FakeEngine,
    readonly maxPacketBytes = 1_048_576,
  ) {}

  async listen(node: number): Promise<void> {
    this.engine.subscribe(node, this);
    this.isListening = true;
  }

  publish(node: number, packet: Buffer, settled: Settled): void {
    if (this.isListening) this.engine.publish(node, packet, settled);
    else settled(false);
  }

  async close(): Promise<void> {
    this.engine.subscribe(null, this);
    this.isListening = false;
  }
}
