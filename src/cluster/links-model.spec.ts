import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import fc from 'fast-check';
import { VirtualTime } from '../../test/support/cluster-model/virtual-time.js';
import { SEED } from '../../test/support/seed.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { BusLinks } from './bus-links.js';
import type { Bus, Settled } from './bus.js';
import { Seal } from './seal.js';

const KEY = Buffer.alloc(32, 7);
const CHAOS_MS = 15_000;
/** The longest silence, the next look, and a handshake. */
const HEALED_MS = 4_500;

/** What the bus does while it is bad, in parts of one. */
interface Faults {
  readonly loss: number;
  readonly repeat: number;
  readonly delayMs: number;
  /** How often a node's view or id changes, in a second. */
  readonly changes: number;
}

/** A bus that loses, repeats, delays and mixes up packets until it is healed, and nodes over it whose views differ. */
class World {
  private readonly time: VirtualTime;
  private isHealed = false;
  readonly nodes: Node[] = [];
  private lastId = 0;
  private version = 1;

  constructor(
    seed: number,
    private readonly faults: Faults,
  ) {
    this.time = new VirtualTime(seed);
    for (let count = 0; count < 3; count += 1) this.nodes.push(new Node(this.newId(), this));
  }

  readonly clock: Clock = {
    now: () => this.time.now,
    monotonic: () => this.time.now,
    after: (ms, callback) => {
      let state = 'due';
      this.time.after(ms, () => state === 'due' && callback());
      return () => (state = 'cancelled');
    },
  };

  carry(to: number, packet: Buffer): void {
    const { loss, repeat, delayMs } = this.isHealed ? { loss: 0, repeat: 0, delayMs: 0 } : this.faults;
    if (this.time.chance() < loss) return;
    const copies = this.time.chance() < repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const node = () => this.nodes.find(({ id }) => id === to);
      this.time.after(1 + this.time.chance() * delayMs, () => node()?.received.emit(Buffer.from(packet)));
    }
  }

  async run(): Promise<void> {
    this.tellViews();
    const { changes } = this.faults;
    for (let ms = 0; ms < CHAOS_MS; ms += 100) {
      if (this.time.chance() < changes / 10) this.change(this.time.pick(this.nodes));
      await this.time.run(this.time.now + 100);
    }
    this.isHealed = true;
    this.version += 1;
    this.tellViews();
    await this.time.run(this.time.now + HEALED_MS);
  }

  /** Sends a frame over each link; returns the ways over which it came, on the links that both sides hold open. */
  async tryAll(): Promise<string[]> {
    const ways: string[] = [];
    for (const { id, links } of this.nodes) {
      links.frame.on((link, frame) => {
        if (frame[0] === 'confirm' && links.to(link.peer) === link) ways.push(`${frame[1]} to ${id}`);
      });
    }
    for (const one of this.nodes) for (const { id } of this.nodes) one.links.to(id)?.send(['confirm', one.id, 0]);
    await new Promise((resolve) => setImmediate(resolve)); // The turn ends.
    await this.time.run(this.time.now + 100);
    return ways.sort();
  }

  get silences(): number[] {
    return this.nodes.flatMap(({ id, links }) =>
      this.nodes.filter((other) => other.id !== id).map((other) => links.silenceOf(other.id)),
    );
  }

  async close(): Promise<void> {
    for (const { links } of this.nodes) await links.close();
  }

  private newId(): number {
    return (this.lastId += 1);
  }

  private tellViews(): void {
    const ids = this.nodes.map(({ id }) => id);
    for (const { id, links } of this.nodes) links.update(id, ids, this.version);
  }

  /** A node gets another id, or reads a view in which another one is missing, or one in which all are. */
  private change(node: Node): void {
    const kind = this.time.chance();
    this.version += 1;
    if (kind < 0.1) node.id = this.newId();
    const missing = kind < 0.5 ? this.time.pick(this.nodes).id : null;
    const ids = this.nodes.map(({ id }) => id).filter((id) => id === node.id || id !== missing);
    node.links.update(node.id, ids, this.version);
  }
}

class Node implements Bus {
  readonly received = new Emitter<Buffer>(new Logger('Model'), 'received');
  readonly title = 'the model';
  readonly maxPacketBytes = 1_048_576;
  readonly isListening = true;
  readonly links: BusLinks;

  constructor(
    public id: number,
    private readonly world: World,
  ) {
    this.links = new BusLinks(this, new Seal(KEY, 'model'), world.clock);
  }

  listen(): Promise<void> {
    return Promise.resolve();
  }

  publish(node: number, packet: Buffer, settled: Settled): void {
    this.world.carry(node, packet);
    settled(true);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('links over a bus that was bad and is healed', () => {
  beforeEach(() => void jest.spyOn(Logger.prototype, 'warn').mockReturnValue());
  afterEach(() => jest.restoreAllMocks());

  const chance = fc.double({ min: 0, max: 0.9, noNaN: true });
  const faults = fc.record({
    loss: chance,
    repeat: chance,
    delayMs: fc.integer({ min: 0, max: 2_000 }),
    changes: fc.constantFrom(0, 0.5, 3),
  });

  it('are open on both sides of each pair within 4.5 s, and carry frames both ways', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), faults, async (seed, each) => {
        const world = new World(seed, each);
        await world.run();
        const ids = world.nodes.map(({ id }) => id);
        const all = ids.flatMap((one) => ids.filter((other) => other !== one).map((other) => `${one} to ${other}`));
        expect(await world.tryAll()).toEqual(all.sort());
        expect(Math.max(...world.silences)).toBeLessThan(3_000);
        await world.close();
      }),
      { numRuns: 100, seed: SEED },
    );
  });
});
