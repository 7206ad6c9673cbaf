import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { FakeEngine } from '../../test/support/fake-bus.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { slowStore } from '../../test/support/slow-store.js';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import type { StoreRequest } from '../delivery/mailbox-store.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { BusLinks } from './bus-links.js';
import { LinkedEdge } from './linked-edge.js';
import { Seal } from './seal.js';

const MIB = 1_024 * 1_024;
const CONTENT = 'x'.repeat(60_000);
/** Their windows of 256 KiB are together more than may wait for a link. */
const READERS = 100;

/** Lets everything that was published arrive, and be replied to. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a home whose edge takes nothing', () => {
  const clock = new ManualClock();
  let engine: FakeEngine;
  let links: BusLinks[];
  let stored: StoreRequest[];
  let home: DeliveryService;
  let edge: LinkedEdge;

  beforeEach(async () => {
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    engine = new FakeEngine();
    links = [1, 2].map(() => new BusLinks(engine.connect(), new Seal(Buffer.alloc(32, 7), 'c1'), clock));
    stored = [];
    const options = resolveChatOptions({ clock });
    home = new DeliveryService(options, new ConnectionService(options), slowStore(stored));
    for (const [index, each] of links.entries()) each.update(index + 1, [1, 2], 1);
    await settled();
    edge = new LinkedEdge(links[0]!.to(2)!, home, () => true);
    links[0]!.broken.on(() => edge.close());
  });
  afterEach(async () => {
    await home.close();
    for (const each of links) await each.close();
    jest.restoreAllMocks();
  });

  const attach = (n: number) => edge.onFrame(['attach', n, `user-${n}`, `c${n}`, { at: 1, errorMs: 0 }, 1, 'json']);

  it('keeps at most 16 MiB for it, breaks the link, and stores what was on the way, each message once and in order', async () => {
    for (let n = 0; n < READERS; n += 1) attach(n);
    await settled();
    engine.isRunning = false;
    const refused: string[] = [];
    const listener = { onReceipt: () => undefined, onRefused: (_: unknown, id: string) => void refused.push(id) };
    const sent: string[] = [];
    let most = 0;
    for (let round = 0; round < 4; round += 1) {
      for (let n = 0; n < READERS; n += 1) {
        sent.push(`${n} ${round}`);
        home.send({ id: sent.at(-1)!, from: 'alice', to: `user-${n}`, content: CONTENT }, listener);
        most = Math.max(most, links[0]!.waitingBytes);
      }
      await settled();
    }
    expect(most).toBeGreaterThan(15 * MIB);
    expect(most).toBeLessThan(16 * MIB + 2 * CONTENT.length);
    expect(links[0]!.to(2)).toBeNull();
    const ids = stored.map(({ message }) => message.id);
    expect(refused).toEqual([]);
    expect([...ids].sort()).toEqual([...sent].sort());
    for (let n = 0; n < READERS; n += 1) {
      expect(ids.filter((id) => id.startsWith(`${n} `))).toEqual([0, 1, 2, 3].map((round) => `${n} ${round}`));
    }
    for (const request of stored) request.onSettled({ status: 'stored' });
    expect(home.totals).toMatchObject({ accepted: sent.length, inFlight: 0 });
    expect(home['mailboxes'].size + home['readers'].size).toBe(0);
  });

  it('keeps no reader of a connection that attaches while the link breaks', () => {
    engine.isRunning = false;
    const link = links[0]!.to(2)!;
    jest.spyOn(link, 'send').mockImplementation(() => link.break());
    attach(1);
    expect(home['readers'].size).toBe(0);
    expect(home.hears('user-1')).toBe(false);
  });
});
