import { Logger } from '@nestjs/common';
import type { Bus, Settled } from '../../../src/cluster/bus.js';
import { Emitter } from '../../../src/options/emitter.js';
import type { ModelProcess } from './model-process.js';
import type { VirtualTime } from './virtual-time.js';

/** The bus of the model: packets of one node to another keep their order, and take 1 to 11 ms. */
export class ModelNetwork {
  private readonly buses = new Map<number, ModelBus>();
  private readonly arrivals = new Map<string, number>();
  /** Pairs of nodes that do not hear each other. */
  private readonly cuts = new Set<string>();
  /** Pairs of which the next packet is lost. */
  private readonly losses = new Set<string>();

  constructor(private readonly time: VirtualTime) {}

  busOf(process: ModelProcess): ModelBus {
    return new ModelBus(this, process);
  }

  cut(one: number, other: number, ms: number): void {
    const pair = pairOf(one, other);
    this.cuts.add(pair);
    this.time.after(ms, () => this.cuts.delete(pair));
  }

  /** Loses the next packet between these nodes: their link breaks. */
  lose(one: number, other: number): void {
    this.losses.add(pairOf(one, other));
  }

  heal(): void {
    this.cuts.clear();
    this.losses.clear();
  }

  listen(node: number, bus: ModelBus): void {
    for (const [id, other] of this.buses) if (other === bus) this.buses.delete(id);
    this.buses.set(node, bus);
  }

  carry(from: number, to: number, packet: Buffer): void {
    const { time } = this;
    const way = `${from} ${to}`;
    const arrival = Math.max(this.arrivals.get(way) ?? 0, time.now + 1 + time.chance() * 10) + 0.001;
    this.arrivals.set(way, arrival);
    if (this.cuts.has(pairOf(from, to)) || this.losses.delete(pairOf(from, to))) return;
    time.after(arrival - time.now, () => {
      const bus = this.buses.get(to);
      bus?.process.enter(() => bus.received.emit(packet));
    });
  }
}

function pairOf(one: number, other: number): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

export class ModelBus implements Bus {
  readonly received = new Emitter<Buffer>(new Logger('Model'), 'received');
  readonly title = 'the model';
  readonly maxPacketBytes = 1_048_576;
  isListening = false;
  private node = 0;

  constructor(
    private readonly network: ModelNetwork,
    readonly process: ModelProcess,
  ) {}

  async listen(node: number): Promise<void> {
    this.node = node;
    this.network.listen(node, this);
    this.isListening = true;
  }

  publish(node: number, packet: Buffer, settled: Settled): void {
    if (this.process.state !== 'dead') this.network.carry(this.node, node, packet);
    settled(true);
  }

  async close(): Promise<void> {
    this.isListening = false;
  }
}
