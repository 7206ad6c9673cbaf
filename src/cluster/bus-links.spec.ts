import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { FakeEngine, type FakeBus } from '../../test/support/fake-bus.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { SEED } from '../../test/support/seed.js';
import { BusLinks } from './bus-links.js';
import type { LinkFrame } from './frames.js';
import { NO_EPOCH, Seal, Sealer, headerOf } from './seal.js';

const KEY = randomBytes(32);
const clock = new ManualClock();
const started: Node[] = [];
let engine: FakeEngine;
let warned: jest.SpiedFunction<Logger['warn']>;
/** Every packet that was published, as somebody with access to the engine sees it. */
let seen: { to: number; packet: Buffer }[];

class Node {
  readonly events: string[] = [];
  readonly frames: LinkFrame[] = [];
  readonly links: BusLinks;

  constructor(
    readonly bus: FakeBus,
    key = KEY,
    cluster = 'c1',
  ) {
    this.links = new BusLinks(bus, new Seal(key, cluster), clock);
    this.links.opened.on(({ peer }) => this.events.push(`opened ${peer}`));
    this.links.broken.on(({ peer }) => this.events.push(`broken ${peer}`));
    this.links.frame.on((_, frame) => this.frames.push(frame));
    started.push(this);
  }
}

/** Lets everything that was published arrive, and be replied to. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass as it does, in small steps. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50);
    await settled();
  }
}

async function pair(maxPacketBytes?: number): Promise<[Node, Node]> {
  const [one, two] = [new Node(engine.connect(maxPacketBytes)), new Node(engine.connect(maxPacketBytes))];
  one.links.update(1, [1, 2], 5);
  two.links.update(2, [1, 2], 7);
  await settled();
  expect([one.events, two.events]).toEqual([['opened 2'], ['opened 1']]);
  return [one, two];
}

const confirm = (n: number): LinkFrame => ['confirm', n, 0];
const rejections = (node: Node) => Object.values(node.links.rejected).reduce((sum, count) => sum + count, 0);

describe('links over a bus', () => {
  beforeEach(() => {
    warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    engine = new FakeEngine();
    seen = [];
    engine.fate = (to, packet) => {
      seen.push({ to, packet });
      return 'arrives';
    };
  });
  afterEach(async () => {
    for (const node of started.splice(0)) await node.links.close();
    jest.restoreAllMocks();
  });

  it('open in both directions as soon as both nodes know each other', async () => {
    const [one, two] = [new Node(engine.connect()), new Node(engine.connect())];
    one.links.update(1, [1, 2], 1);
    await settled();
    expect(one.links.to(2)).toBeNull();
    two.links.update(2, [1, 2], 1);
    await settled();
    expect([one.links.to(2)?.isOpen, two.links.to(1)?.isOpen]).toEqual([true, true]);
  });

  it('carry the frames of a turn in one packet, in order, both ways', async () => {
    const [one, two] = await pair();
    seen = [];
    for (let n = 0; n < 1_000; n += 1) {
      one.links.to(2)!.send(confirm(n));
      two.links.to(1)!.send(['serving', [n]]);
    }
    await settled();
    expect(two.frames).toEqual(Array.from({ length: 1_000 }, (_, n) => confirm(n)));
    expect(one.frames).toEqual(Array.from({ length: 1_000 }, (_, n) => ['serving', [n]]));
    expect(seen.map(({ to }) => to).toSorted((a, b) => a - b)).toEqual([1, 2]);
  });

  it('carry a content of 64 KiB that JSON makes six times as long, over a bus of small packets', async () => {
    const [one, two] = await pair(6_000);
    const content = '\0'.repeat(65_536);
    const frame: LinkFrame = ['call', 0, 'note', content];
    one.links.to(2)!.send(frame);
    one.links.to(2)!.send(confirm(1));
    await settled();
    expect(two.frames).toEqual([frame, confirm(1)]);
    expect(Math.max(...seen.map(({ packet }) => packet.length))).toBe(6_000);
    expect(one.links.waitingBytes).toBe(0);
  });

  it('tell the version of the membership within a second, and live on without frames', async () => {
    const [one, two] = await pair();
    await pass(1_000);
    expect([one.links.newestVersion, two.links.newestVersion]).toEqual([7, 5]);
    two.links.update(2, [1, 2], 9);
    for (let second = 0; second < 10; second += 1) {
      await pass(1_000);
      expect(one.links.silenceOf(2)).toBeLessThanOrEqual(1_000);
    }
    expect(one.links.newestVersion).toBe(9);
    expect(one.links.silenceOf(3)).toBe(Infinity);
    expect([one.events, two.events]).toEqual([['opened 2'], ['opened 1']]);
  });

  it('take the greeting of a new node for a newer version, and that of a former one or a stranger for nothing', async () => {
    const [one, two] = await pair();
    await pass(1_000);
    two.links.update(2, [1, 2, 4], 7);
    const newer = async (node: Node, id: number) => {
      node.links.update(id, [1, 2, id], 9);
      await settled();
      return two.links.newestVersion;
    };
    expect(await newer(new Node(engine.connect()), 3)).toBe(5);
    expect(await newer(new Node(engine.connect(), randomBytes(32)), 5)).toBe(5);
    expect(await newer(new Node(engine.connect()), 6)).toBe(8);
    expect(one.links.to(2)?.isOpen).toBe(true);
  });

  it('count as heard from their first packet on, and no more after a goodbye', async () => {
    const [one, two] = await pair();
    expect(one.links.silenceOf(2)).toBe(Infinity);
    two.links.to(1)!.send(confirm(1));
    await settled();
    expect(one.links.silenceOf(2)).toBe(0);
    two.links.to(1)!.break();
    await settled();
    expect(one.links.silenceOf(2)).toBe(Infinity);
  });

  it('break as a whole when a packet is lost: no later frame of them comes, and new ones open', async () => {
    const [one, two] = await pair();
    const link = one.links.to(2)!;
    link.send(confirm(1));
    await settled();
    engine.fate = () => 'is lost';
    link.send(confirm(2));
    await settled();
    engine.fate = () => 'arrives';
    link.send(confirm(3));
    await settled();
    expect(two.frames).toEqual([confirm(1)]);
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['broken 2', 'broken 1']);
    link.send(confirm(4));
    await pass(500);
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['opened 2', 'opened 1']);
    one.links.to(2)!.send(confirm(5));
    await settled();
    expect(two.frames).toEqual([confirm(1), confirm(5)]);
  });

  it('break after 3 s of silence, and open when the engine carries again', async () => {
    const [one, two] = await pair();
    engine.fate = () => 'is lost';
    await pass(2_900);
    expect([one.events, two.events]).toEqual([['opened 2'], ['opened 1']]);
    await pass(500);
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['broken 2', 'broken 1']);
    await pass(60_000);
    expect(one.links.silenceOf(2)).toBeGreaterThan(60_000);
    engine.fate = () => 'arrives';
    await pass(750);
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['opened 2', 'opened 1']);
  });

  it('break when only one direction is cut', async () => {
    const [one, two] = await pair();
    engine.fate = (to) => (to === 1 ? 'is lost' : 'arrives');
    await pass(3_500);
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['broken 2', 'broken 1']);
  });

  it('read nothing that comes after this process stood still for more than 3 s', async () => {
    const [one, two] = await pair();
    const look = jest.spyOn(clock, 'monotonic').mockReturnValue(clock.monotonic() + 3_001);
    one.links.to(2)!.send(confirm(1));
    await settled();
    look.mockRestore();
    expect(two.frames).toEqual([]);
    expect(two.events.at(-1)).toBe('broken 1');
  });

  it('end at once for both when one side breaks them, or leaves', async () => {
    const [one, two] = await pair();
    one.links.to(2)!.break();
    await settled();
    expect([one.events.at(-1), two.events.at(-1)]).toEqual(['broken 2', 'broken 1']);
    await pass(500);
    one.links.to(2)!.send(confirm(1));
    await one.links.close();
    await settled();
    expect(two.events.at(-1)).toBe('broken 1');
    await two.links.close();
    expect(clock.pendingAlarms).toBe(0);
    expect(two.frames).toEqual([confirm(1)]);
  });

  it('tell no further frame of a packet once they are broken', async () => {
    const [one, two] = await pair();
    two.links.frame.on((link) => link.break());
    for (let n = 0; n < 3; n += 1) one.links.to(2)!.send(confirm(n));
    await settled();
    expect(two.frames).toEqual([confirm(0)]);
  });

  it('end when a node has another id, or is in the view no more', async () => {
    const [one, two] = await pair();
    const three = new Node(engine.connect());
    three.links.update(3, [1, 2, 3], 8);
    one.links.update(1, [1, 2, 3], 8);
    await settled();
    expect(one.links.to(3)?.isOpen).toBe(true);
    one.links.update(4, [2, 3, 4], 9);
    await settled();
    expect(one.events.slice(-2).sort()).toEqual(['broken 2', 'broken 3']);
    expect([two.events.at(-1), three.events.at(-1)]).toEqual(['broken 1', 'broken 1']);
    two.links.update(2, [2, 3, 4], 9);
    await pass(500);
    expect([one.links.to(2)?.isOpen, two.links.to(4)?.isOpen, two.links.to(1)]).toEqual([true, true, null]);
  });

  it('break, instead of piling up more than 16 MiB for an engine that takes nothing', async () => {
    const [one] = await pair();
    engine.isRunning = false;
    const link = one.links.to(2)!;
    const frame: LinkFrame = ['call', 1, 'test', 'x'.repeat(65_536)];
    for (let n = 0; n < 1_000 && link.isOpen; n += 1) {
      link.send(frame);
      if (n % 10 === 0) await settled();
      expect(one.links.waitingBytes).toBeLessThan(17 * 1_024 * 1_024);
    }
    expect(one.events.at(-1)).toBe('broken 2');
    expect(warned.mock.lastCall![0]).toContain('more than 16 MiB wait');
    engine.goOn();
    await settled();
    await pass(500);
    expect(one.events.at(-1)).toBe('opened 2');
  });

  it('never open between nodes of different keys, or of different clusters', async () => {
    const one = new Node(engine.connect());
    const two = new Node(engine.connect(), randomBytes(32));
    const three = new Node(engine.connect(), KEY, 'c2');
    for (const [id, node] of [one, two, three].entries()) node.links.update(id + 1, [1, 2, 3], 1);
    await pass(5_000);
    expect([one, two, three].flatMap(({ events }) => events)).toEqual([]);
    expect(one.links.rejected.forged).toBeGreaterThan(5);
  });

  it('ignore and count packets that are recorded and published again, in any order', async () => {
    const [one, two] = await pair();
    for (let n = 0; n < 5; n += 1) {
      one.links.to(2)!.send(confirm(n));
      await settled();
    }
    one.links.to(2)!.break();
    await pass(500);
    one.links.to(2)!.send(confirm(5));
    await settled();
    const events = [...one.events, ...two.events];
    const recorded = [...seen];
    for (const { to, packet } of [...recorded.toReversed(), ...recorded]) engine.publish(to, packet);
    // Also to the node that has sent them.
    for (const { to, packet } of recorded) engine.publish(3 - to, packet);
    await settled();
    await pass(5_000);
    expect([...one.events, ...two.events]).toEqual(events);
    expect(two.frames).toEqual([0, 1, 2, 3, 4, 5].map(confirm));
    expect(two.links.rejected).toMatchObject({ malformed: 0, forged: 0, replayed: 2 });
    expect(two.links.rejected.late).toBeGreaterThan(10);
  });

  it('never seal two different packets with the same key and number', async () => {
    const [one, two] = await pair();
    engine.fate = (to, packet) => {
      seen.push({ to, packet });
      return seen.length % 11 === 0 ? 'is lost' : seen.length % 7 === 0 ? 'comes twice' : 'arrives';
    };
    for (let n = 0; n < 300; n += 1) {
      one.links.to(2)?.send(confirm(n));
      two.links.to(1)?.send(confirm(n));
      await pass(100);
    }
    const packets = new Map<string, string>();
    for (const { packet } of seen) {
      const header = packet.toString('hex', 0, 57);
      expect(packets.get(header) ?? packet.toString('hex')).toBe(packet.toString('hex'));
      packets.set(header, packet.toString('hex'));
    }
    expect(one.events.length).toBeGreaterThan(10);
    // What came, came in order.
    const numbers = two.frames.map(([, n]) => Number(n));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('are changed by no packet that strangers make, whatever it is', async () => {
    const [one, two] = await pair();
    one.links.to(2)!.send(confirm(0));
    await settled();
    const real = seen.filter(({ to }) => to === 2).map(({ packet }) => packet);
    const flipped = fc
      .tuple(fc.constantFrom(...real), fc.nat(), fc.integer({ min: 1, max: 255 }))
      .map(([packet, at, bits]) => {
        const copy = Buffer.from(packet);
        copy[at % copy.length]! ^= bits;
        return copy;
      });
    const cut = fc
      .tuple(fc.constantFrom(...real), fc.nat())
      .map(([packet, at]) => packet.subarray(0, at % packet.length));
    const longer = fc
      .tuple(fc.constantFrom(...real), fc.uint8Array({ minLength: 1, maxLength: 50 }))
      .map(([packet, more]) => Buffer.concat([packet, more]));
    const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    // A real header with a number of one's own.
    const renumbered = fc
      .tuple(fc.constantFrom(...real), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
      .map(([packet, n]) => {
        const copy = Buffer.from(packet);
        copy.writeBigUInt64BE(n, 49);
        return copy;
      });
    const events = [...one.events, ...two.events];
    let published = 0;
    const before = rejections(two);
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, cut, longer, noise, renumbered), async (packet) => {
        if (real.some((known) => known.equals(packet))) return;
        engine.publish(2, packet);
        published += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }),
      { numRuns: 2_000, seed: SEED },
    );
    await settled();
    expect(rejections(two) - before).toBe(published);
    one.links.to(2)!.send(confirm(1));
    await settled();
    expect(two.frames).toEqual([confirm(0), confirm(1)]);
    expect([...one.events, ...two.events]).toEqual(events);
  });

  it('are ended by a peer whose batch is none, with a line in the log', async () => {
    const two = new Node(engine.connect());
    two.links.update(2, [1, 2], 1);
    await settled();
    // A node with the key that speaks otherwise.
    const epoch = randomBytes(16);
    const seal = new Seal(KEY, 'c1');
    const direction = { sender: 1, receiver: 2, senderEpoch: epoch, receiverEpoch: NO_EPOCH };
    engine.publish(2, new Sealer(seal, direction).greeting());
    await settled();
    const offered = seen.map(({ packet }) => headerOf(packet)!).find((header) => header.receiverEpoch.equals(epoch))!;
    const sealer = new Sealer(seal, { ...direction, receiverEpoch: offered.senderEpoch });
    engine.publish(2, sealer.greeting());
    await settled();
    expect(two.events).toEqual(['opened 1']);
    engine.publish(2, sealer.seal(Buffer.from('\x01[1,{"a":1}]')));
    await settled();
    expect(two.events).toEqual(['opened 1', 'broken 1']);
    expect(warned.mock.lastCall![0]).toContain('not a batch of frames');
  });
});
