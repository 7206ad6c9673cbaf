import { FakeLink } from '../../test/support/fake-link.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Broadcast } from '../connections/broadcast.js';
import type { Connection } from '../connections/connection.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import { Attachments } from './attachments.js';
import type { Place, Routes } from './routes.js';

const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
const OPENED = { at: 1, errorMs: 0 };

function open() {
  const clock = new ManualClock();
  const got: string[] = [];
  const route = { place: null as Place | null };
  const routes = { to: () => route.place, onRefused: () => undefined } as unknown as Routes;
  const attachments = new Attachments(routes, {} as DeliveryService, clock);
  const connection = {
    id: 'c1',
    user: 'bob',
    protocol: 'json',
    isOpen: true,
    onOpened: (pending: number) => void got.push(`welcome ${pending}`),
    onMessage: (_message: object, seq: number) => void got.push(`message ${seq}`),
    onCaughtUp: (delivered: number) => void got.push(`caught up ${delivered}`),
    onBroadcast: () => got.push('broadcast') > 0,
    close: (code: number) => void got.push(`close ${code}`),
  } as unknown as Connection;
  attachments.add(connection, OPENED);
  return { clock, got, route, attachments, connection };
}

describe('a connection', () => {
  it('numbers its messages on when its home changes, and hears welcome and caught-up once', () => {
    const { got, route, attachments, connection } = open();
    const [first, second] = [new FakeLink(2), new FakeLink(3)];
    route.place = first;
    attachments.pump();
    attachments.onFrame(['opened', 1, 3]);
    attachments.onFrame(['message', 1, 1, true, true, message]);
    attachments.onFrame(['message', 1, 2, true, true, message]);
    route.place = second;
    attachments.onBroken(first);
    attachments.pump();
    expect(second.take()).toEqual([['attach', 2, 'bob', 'c1', OPENED, 3, 'json']]);
    attachments.onFrame(['opened', 2, 1]);
    attachments.onFrame(['message', 2, 3, true, true, message]);
    attachments.onFrame(['caught-up', 2, 1]);
    attachments.onFrame(['unattached', 2]);
    attachments.pump();
    attachments.onFrame(['caught-up', 3, 0]);
    expect(got).toEqual(['welcome 3', 'message 1', 'message 2', 'message 3', 'caught up 3']);
    expect([3, 3, 4].map((seq) => attachments.confirm(connection, seq))).toEqual([3, 0, null]);
  });

  it('gets no message that was on the way when it began to close, and can confirm those that it has', async () => {
    const { got, route, attachments, connection } = open();
    const link = (route.place = new FakeLink(2));
    attachments.pump();
    attachments.onFrame(['opened', 1, 0]);
    attachments.onFrame(['message', 1, 1, false, false, message]);
    link.take();
    Object.assign(connection, { isOpen: false });
    attachments.onFrame(['message', 1, 2, false, false, message]);
    expect(got).toEqual(['welcome 0', 'message 1']);
    expect([2, 1].map((seq) => attachments.confirm(connection, seq))).toEqual([null, 1]);
    await Promise.resolve();
    expect(link.take()).toEqual([['confirm', 1, 1]]);
    expect(attachments.inFlight(connection)).toBe(0);
  });

  it('waits for its turn when more than 1,000 are to be attached at once', () => {
    const { route, attachments } = open();
    for (let n = 0; n < 2_000; n += 1) attachments.add({ user: 'bob', isOpen: true } as Connection, OPENED);
    const link = (route.place = new FakeLink(2));
    const attached = [1, 2, 3].map(() => {
      attachments.pump();
      return link.take().length;
    });
    expect(attached).toEqual([1_000, 1_000, 1]);
  });

  it('is closed with 1013 after 10 s also when a home can be reached and attaches nobody', () => {
    const { clock, got, route, attachments } = open();
    route.place = new FakeLink(2);
    for (let n = 1; got.length === 0; n += 1) {
      expect(n).toBeLessThanOrEqual(101);
      attachments.pump();
      attachments.onFrame(['unattached', n]);
      clock.advance(100);
    }
    expect(got).toEqual(['close 1013']);
  });

  it('has its home told of the last of many acks that came in one piece, before it leaves', async () => {
    const { route, attachments, connection } = open();
    const link = (route.place = new FakeLink(2));
    attachments.pump();
    for (let seq = 1; seq <= 18; seq += 1) attachments.onFrame(['message', 1, seq, true, true, message]);
    link.take();
    for (let seq = 1; seq <= 16; seq += 1) expect(attachments.confirm(connection, seq)).toBe(1);
    expect(link.take()).toEqual([]);
    await Promise.resolve();
    expect(link.take()).toEqual([['confirm', 1, 16]]);
    attachments.confirm(connection, 17);
    await Promise.resolve();
    attachments.confirm(connection, 18);
    attachments.remove(connection);
    await Promise.resolve();
    expect(link.take()).toEqual([
      ['confirm', 1, 17],
      ['confirm', 1, 18],
      ['detach', 1],
    ]);
  });

  it('gets nothing of a home that it has left', () => {
    const { got, route, attachments } = open();
    const link = (route.place = new FakeLink(2));
    attachments.pump();
    attachments.onBroken(link);
    route.place = new FakeLink(2);
    attachments.pump();
    attachments.onFrame(['message', 1, 1, false, false, message]);
    attachments.onFrame(['close', 1, 4409, '']);
    expect(got).toEqual([]);
  });

  it('is closed with 1013 when no home was there for 10 s before its welcome, and stays open after it', () => {
    const early = open();
    early.clock.advance(10_000);
    early.attachments.pump();
    expect(early.got).toEqual(['close 1013']);
    const late = open();
    const link = (late.route.place = new FakeLink(2));
    late.attachments.pump();
    late.attachments.onFrame(['opened', 1, 0]);
    late.route.place = null;
    late.attachments.onBroken(link);
    late.clock.advance(60_000);
    late.attachments.pump();
    expect(late.got).toEqual(['welcome 0']);
  });

  it('gets broadcasts behind what waited for it, up to 256', () => {
    const { got, route, attachments } = open();
    route.place = new FakeLink(2);
    attachments.pump();
    const counts = Array.from({ length: 257 }, () => attachments.broadcast(new Broadcast('b', 'a', 'x', 1)));
    expect([counts.slice(0, 256).every((count) => count === 1), counts[256]]).toEqual([true, 0]);
    attachments.onFrame(['opened', 1, 0]);
    attachments.onFrame(['message', 1, 1, true, true, message]);
    attachments.onFrame(['caught-up', 1, 1]);
    expect(got.slice(0, 4)).toEqual(['welcome 0', 'message 1', 'caught up 1', 'broadcast']);
    expect(got).toHaveLength(3 + 256);
  });
});
