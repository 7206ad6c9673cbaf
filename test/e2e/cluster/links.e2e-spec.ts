import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { BusLinks } from '../../../src/cluster/bus-links.js';
import type { LinkFrame } from '../../../src/cluster/frames.js';
import { Seal } from '../../../src/cluster/seal.js';
import { systemClock, type Clock } from '../../../src/options/clock.js';
import { BUS_KINDS, ENGINES, type BusKind } from '../../support/bus-kinds.js';
import { eventually } from '../../support/deadline.js';
import { fastClock } from '../../support/fast-clock.js';

const KEY = randomBytes(32);
const opened: BusLinks[] = [];

/** Starts two nodes, and waits until they are linked. */
async function pair(kind: Pick<BusKind, 'connect'>, clock: Clock) {
  const nodes = await Promise.all(
    [1, 2].map(async (id) => {
      const links = new BusLinks(await kind.connect('c1', clock), new Seal(KEY, 'c1'), clock);
      opened.push(links);
      const heard: LinkFrame[] = [];
      const broken: number[] = [];
      links.frame.on((__, frame) => heard.push(frame));
      links.broken.on(({ peer }) => broken.push(peer));
      links.update(id, [1, 2], 1);
      return { links, heard, broken, peer: 3 - id, isLinked: () => links.to(3 - id) !== null };
    }),
  );
  const [one, two] = [nodes[0]!, nodes[1]!];
  await eventually(() => one.isLinked() && two.isLinked());
  return [one, two] as const;
}

const confirm = (n: number): LinkFrame => ['confirm', n, 0];
const numbersOf = (frames: readonly LinkFrame[]) => frames.map(([, n]) => Number(n));

beforeEach(() => {
  jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  jest.spyOn(Logger.prototype, 'log').mockReturnValue();
});
afterEach(async () => {
  for (const links of opened.splice(0)) await links.close();
  jest.restoreAllMocks();
});

describe.each(BUS_KINDS)('links over %s', (_, start) => {
  let kind: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    kind = await start();
  });
  afterAll(() => kind.dispose());

  it('carry frames in order, both ways at once, and whole contents of 64 KiB of U+0000', async () => {
    const [one, two] = await pair(kind, systemClock);
    const large: LinkFrame = ['call', 0, 'note', '\0'.repeat(65_536)];
    for (let turn = 0; turn < 20; turn += 1) {
      for (let n = 0; n < 50; n += 1) for (const each of [one, two]) each.links.to(each.peer)!.send(confirm(n));
      if (turn === 10) one.links.to(2)!.send(large);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => two.heard.length === 1_001 && one.heard.length === 1_000);
    expect(two.heard[550]).toEqual(large);
    const expected = Array.from({ length: 1_000 }, (__, n) => n % 50);
    expect(numbersOf(two.heard.toSpliced(550, 1))).toEqual(expected);
    expect(numbersOf(one.heard)).toEqual(expected);
    expect([one.broken, two.broken]).toEqual([[], []]);
    await eventually(() => one.links.waitingBytes === 0); // The bus says later that it has taken what was heard.
  });

  it('are changed by nothing that a stranger publishes', async () => {
    const [one, two] = await pair(kind, systemClock);
    const garbage = ['', '\x00', '\x01', '[]', 'x'.repeat(200), '\x01'.repeat(200)].map((text) => Buffer.from(text));
    for (const packet of [...garbage, ...Array.from({ length: 20 }, (__, n) => randomBytes(50 + 10 * n))]) {
      one.links.to(2)!.send(confirm(0));
      await kind.intrude('c1', 2, packet);
    }
    await eventually(() => two.heard.length === 26);
    await eventually(() => Object.values(two.links.rejected).reduce((sum, count) => sum + count) >= 24);
    expect([one.broken, two.broken]).toEqual([[], []]);
  });

  it('end at once when a node leaves', async () => {
    let stoppedAt: number | null = null;
    const [one, two] = await pair(kind, { ...systemClock, monotonic: () => stoppedAt ?? systemClock.monotonic() });
    stoppedAt = systemClock.monotonic(); // From now on nobody counts as silent.
    one.links.to(2)!.send(confirm(1));
    await one.links.close();
    await eventually(() => two.broken.length === 1);
    expect(two.heard).toEqual([confirm(1)]);
  });
});

describe.each(ENGINES)('links over %s that fails', (_, start) => {
  let kind: BusKind;
  beforeAll(async () => {
    kind = await start();
  });
  afterAll(() => kind.dispose());

  it('break and open again when the engine is killed and started: what arrives is a part without a hole', async () => {
    const [one, two] = await pair(kind, fastClock(5));
    let n = 0;
    const write = () => one.links.to(2)?.send(confirm((n += 1)));
    for (let turn = 0; turn < 20; turn += 1) write();
    await eventually(() => two.heard.length === 20);
    await kind.kill();
    write();
    await eventually(() => !one.isLinked() && !two.isLinked());
    await kind.run();
    await eventually(() => one.isLinked() && two.isLinked());
    const before = two.heard.length;
    for (let turn = 0; turn < 20; turn += 1) write();
    await eventually(() => two.heard.length === before + 20);
    const numbers = numbersOf(two.heard);
    expect(numbers).toEqual([...numbers.slice(0, before), ...numbers.slice(before)].toSorted((a, b) => a - b));
    expect(numbers.slice(0, before)).toEqual(Array.from({ length: before }, (__, index) => index + 1));
  });

  it('stay when the engine is emptied, and open again after all its sessions were ended', async () => {
    const [one, two] = await pair(kind, fastClock(5));
    await kind.empty();
    one.links.to(2)!.send(confirm(1));
    await eventually(() => two.heard.length === 1);
    expect([one.broken, two.broken]).toEqual([[], []]);
    await kind.disconnectAll();
    // Something is lost meanwhile.
    await eventually(() => {
      one.links.to(2)?.send(confirm(2));
      return one.broken.length > 0;
    });
    await eventually(() => one.isLinked() && two.isLinked());
  });

  it('break when the engine stands still, and open again when it goes on', async () => {
    const [one, two] = await pair(kind, fastClock(5));
    await kind.freeze();
    one.links.to(2)!.send(confirm(1));
    await eventually(() => !one.isLinked() && !two.isLinked());
    await kind.thaw();
    await eventually(() => one.isLinked() && two.isLinked());
    const before = two.heard.length;
    one.links.to(2)!.send(confirm(2));
    await eventually(() => two.heard.length === before + 1);
    expect(numbersOf(two.heard)).toEqual(before === 1 ? [1, 2] : [2]);
  });
});
