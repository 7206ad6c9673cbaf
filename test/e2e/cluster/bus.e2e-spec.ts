import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { Bus } from '../../../src/cluster/bus.js';
import { systemClock, type Clock } from '../../../src/options/clock.js';
import { BUS_KINDS, ENGINES, type BusKind } from '../../support/bus-kinds.js';
import { eventually } from '../../support/deadline.js';
import { fastClock } from '../../support/fast-clock.js';

const opened: Bus[] = [];
let warned: jest.SpiedFunction<Logger['warn']>;

/** Connects a node; returns the bus and what it hears. */
async function join(
  kind: Pick<BusKind, 'connect'>,
  node: number,
  clock: Clock = systemClock,
  cluster = 'c1',
  via?: Parameters<BusKind['connect']>[2],
) {
  const bus = await kind.connect(cluster, clock, via);
  opened.push(bus);
  const heard: string[] = [];
  bus.received.on((packet) => heard.push(packet.toString('latin1')));
  await bus.listen(node);
  return { bus, heard };
}

const publish = (bus: Bus, node: number, packet: string) =>
  new Promise<boolean>((settled) => bus.publish(node, Buffer.from(packet, 'latin1'), settled));

beforeEach(() => {
  warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  jest.spyOn(Logger.prototype, 'log').mockReturnValue();
});
afterEach(async () => {
  for (const bus of opened.splice(0)) await bus.close();
  jest.restoreAllMocks();
});

describe.each(BUS_KINDS)('a bus over %s', (_, start) => {
  let kind: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    kind = await start();
  });
  afterAll(() => kind.dispose());

  it('carries packets to one node, in order, and to no other', async () => {
    const [one, two, three] = [await join(kind, 1), await join(kind, 2), await join(kind, 3)];
    const numbers = Array.from({ length: 2_000 }, (__, n) => `p${n}`);
    const taken = await Promise.all(numbers.map((number) => publish(one.bus, 2, number)));
    expect(taken.every(Boolean)).toBe(true);
    await publish(one.bus, 3, 'end');
    await eventually(() => two.heard.length >= 2_000 && three.heard.length === 1);
    expect(two.heard).toEqual(numbers);
    expect([one.heard, three.heard]).toEqual([[], ['end']]);
  });

  it('carries any bytes, up to its largest packet', async () => {
    const [one, two] = [await join(kind, 1), await join(kind, 2)];
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (__, byte) => byte));
    const large = bytes.repeat(one.bus.maxPacketBytes / 256 + 1).slice(0, one.bus.maxPacketBytes);
    for (const packet of ['\x01', '\x01\x00', bytes, large]) await publish(one.bus, 2, packet);
    await eventually(() => two.heard.length === 4);
    expect(two.heard).toEqual(['\x01', '\x01\x00', bytes, large]);
  });

  it('keeps clusters on one engine apart', async () => {
    const [one, other] = [await join(kind, 1), await join(kind, 5, systemClock, 'c2')];
    await publish(one.bus, 5, 'of c1');
    await publish(other.bus, 1, 'of c2');
    await publish(one.bus, 1, 'end');
    await publish(other.bus, 5, 'end');
    await eventually(() => one.heard.length > 0 && other.heard.length > 0);
    expect([one.heard, other.heard]).toEqual([['end'], ['end']]);
  });

  it('listens as one node at a time', async () => {
    const [one, two] = [await join(kind, 1), await join(kind, 2)];
    await two.bus.listen(4);
    await publish(one.bus, 2, 'to the former');
    await publish(one.bus, 4, 'to the new one');
    await eventually(() => two.heard.length > 0);
    expect(two.heard).toEqual(['to the new one']);
  });

  it('sends what was published before it ends', async () => {
    const [one, two] = [await join(kind, 1), await join(kind, 2)];
    for (let n = 0; n < 500; n += 1) one.bus.publish(2, Buffer.from(`p${n}`), () => undefined);
    await one.bus.close();
    await eventually(() => two.heard.length === 500);
    expect(one.bus.isListening).toBe(false);
    expect(await publish(one.bus, 2, 'late')).toBe(false);
  });
});

describe.each(ENGINES)('a bus over %s that fails', (_, start) => {
  let kind: BusKind;
  beforeAll(async () => {
    kind = await start();
  });
  afterAll(() => kind.dispose());

  it('drops what is published while the engine is away, and hears again when it is back', async () => {
    const [one, two] = [await join(kind, 1, fastClock(5)), await join(kind, 2, fastClock(5))];
    await kind.kill();
    await eventually(() => !one.bus.isListening && !two.bus.isListening);
    expect(await publish(one.bus, 2, 'lost')).toBe(false);
    await kind.run();
    await eventually(() => one.bus.isListening && two.bus.isListening);
    await publish(one.bus, 2, 'heard');
    await eventually(() => two.heard.length > 0);
    expect(two.heard).toEqual(['heard']);
    const said = warned.mock.calls.map(([line]) => String(line));
    // The second try to connect is told, if at all, with the first.
    expect(said.filter((line) => line.includes("can't talk"))).toHaveLength(2);
  });

  it('hears again after its sessions were ended', async () => {
    const [one, two] = [await join(kind, 1, fastClock(5)), await join(kind, 2, fastClock(5))];
    await kind.disconnectAll();
    await eventually(() => !two.bus.isListening);
    // The other one may notice later that its session was ended, and what it publishes until then is lost.
    await eventually(async () => (await publish(one.bus, 2, 'heard')) && two.heard.length > 0);
    expect(new Set(two.heard)).toEqual(new Set(['heard']));
    expect([one.bus.isListening, two.bus.isListening]).toEqual([true, true]);
  });

  it('notices within seconds that the network swallows everything, and hears over a new one', async () => {
    const network = await kind.network();
    const [one, two] = [await join(kind, 1), await join(kind, 2, fastClock(5), 'c1', network)];
    network.silence();
    const sent = publish(two.bus, 1, 'swallowed');
    await eventually(() => !two.bus.isListening);
    // What nobody has taken is dropped.
    expect(await sent).toBe(false);
    await network.close();
    expect(one.bus.isListening).toBe(true);
  });

  it('loses nothing when the engine is emptied', async () => {
    const [one, two] = [await join(kind, 1), await join(kind, 2)];
    await kind.empty();
    await publish(one.bus, 2, 'heard');
    await eventually(() => two.heard.length > 0);
    expect([one.bus.isListening, two.bus.isListening]).toEqual([true, true]);
  });
});
