import { FakeLink } from '../../test/support/fake-link.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { Message } from '../protocol/message.js';
import { OutstandingSends } from './outstanding-sends.js';
import type { Place, Routes } from './routes.js';

const SLOT = 7;

function open() {
  const clock = new ManualClock();
  const taken: string[] = [];
  const heard: string[] = [];
  const route = { place: null as Place | null, owner: 2 as number | null };
  const routes = { to: () => route.place, ownerOf: () => route.owner, onRefused: () => undefined };
  const home = { take: ({ id }: Message) => void taken.push(id) };
  const sends = new OutstandingSends(routes as unknown as Routes, home as unknown as DeliveryService, clock);
  const listener = {
    onReceipt: ({ id, status }: { id: string; status: string }) => void heard.push(`${id} ${status}`),
    onRefused: ({ code, temporary }: { code: string; temporary: boolean }, id: string) =>
      void heard.push(`${id} ${code} ${temporary}`),
  };
  const message = (id: string): Message => ({ id, from: 'alice', to: 'bob', content: 'x', sentAt: 1 });
  const send = (id: string, bytes = 1): void => sends.send(SLOT, message(id), bytes, listener);
  return { clock, taken, heard, route, sends, send, message, listener };
}

/** The streams, numbers and ids of what was written. */
const written = (link: FakeLink): string[] =>
  link.take().map((frame) => (frame[0] === 'send' ? `${frame[2]}: ${frame[4].id}` : String(frame[0])));

describe('what waits for a home', () => {
  it('goes there in order, and again in order before anything newer when the link broke', () => {
    const { heard, route, sends, send } = open();
    const [first, second] = [new FakeLink(2), new FakeLink(2)];
    send('m1');
    route.place = first;
    sends.pump();
    send('m2');
    send('m3');
    expect(written(first)).toEqual(['1: m1', '1: m2', '1: m3']);
    sends.onFrame(['receipt', SLOT, 2, 'stored', 1, false]);
    route.place = null;
    sends.onBroken(first);
    send('m4');
    route.place = second;
    sends.pump();
    expect(written(second)).toEqual(['2: m1', '2: m3', '2: m4']);
    expect(heard).toEqual(['m2 stored']);
  });

  it('begins a new stream when its home does not serve the slot, and takes no notice of an earlier refusal', () => {
    const { route, sends, send } = open();
    const link = new FakeLink(2);
    route.place = link;
    send('m1');
    sends.onFrame(['moved', SLOT, 1]);
    sends.pump();
    sends.onFrame(['moved', SLOT, 1]);
    send('m2');
    expect(written(link)).toEqual(['1: m1', '2: m1', '2: m2']);
  });

  it('goes to the home in this process when that is it, behind what this process had accepted before', () => {
    const { taken, route, sends, send, message, listener } = open();
    send('m2');
    sends.putBack(SLOT, [{ message: message('m1'), listener }]);
    route.place = 'here';
    sends.pump();
    expect(taken).toEqual(['m1', 'm2']);
    expect(sends.isEmpty).toBe(true);
  });

  it('is refused for now, all of it, when no home was there for 10 s', () => {
    const { clock, heard, sends, send } = open();
    send('m1');
    clock.advance(9_000);
    send('m2');
    sends.pump();
    expect(heard).toEqual([]);
    clock.advance(1_000);
    sends.pump();
    expect(heard).toEqual(['m1 STORE_UNAVAILABLE true', 'm2 STORE_UNAVAILABLE true']);
  });

  it('waits 10 s from the moment when its link broke', () => {
    const { clock, heard, route, sends, send } = open();
    const link = (route.place = new FakeLink(2));
    send('m1');
    clock.advance(60_000);
    route.place = null;
    sends.onBroken(link);
    clock.advance(9_999);
    sends.pump();
    expect(heard).toEqual([]);
    clock.advance(1);
    sends.pump();
    expect(heard).toEqual(['m1 STORE_UNAVAILABLE true']);
  });

  it('holds senders up from 16 MiB for one home on, until that is answered', () => {
    const { route, sends, send } = open();
    route.place = new FakeLink(2);
    send('m1', 8 * 1024 * 1024);
    expect(sends.isFull).toBe(false);
    send('m2', 8 * 1024 * 1024);
    expect(sends.isFull).toBe(true);
    let hasRoom = false;
    sends.whenRoom(() => (hasRoom = true));
    sends.onFrame(['receipt', SLOT, 1, 'delivered', 1, false]);
    expect([hasRoom, sends.isFull]).toEqual([true, false]);
  });

  it('is refused after 10 s also when a home can be reached and refuses every stream', () => {
    const { clock, heard, route, sends, send } = open();
    route.place = new FakeLink(2);
    send('m1');
    for (let stream = 1; heard.length === 0; stream += 1) {
      expect(stream).toBeLessThanOrEqual(100);
      sends.onFrame(['moved', SLOT, stream]);
      clock.advance(100);
      sends.pump();
    }
    expect(heard).toEqual(['m1 STORE_UNAVAILABLE true']);
  });

  it('goes to the next home, however old it is, when one that had served the slot lets it go', () => {
    const { clock, heard, route, sends, send } = open();
    const link = (route.place = new FakeLink(2));
    send('m1');
    clock.advance(20_000);
    sends.onFrame(['moved', SLOT, 1]);
    sends.pump();
    expect([heard, written(link)]).toEqual([[], ['1: m1', '2: m1']]);
  });

  it('waits in order while 4 MiB wait on the link, and goes on when there is room', () => {
    const { route, sends, send } = open();
    const link = (route.place = new FakeLink(2));
    send('m1');
    link.waitingBytes = 4 * 1024 * 1024;
    send('m2');
    send('m3');
    sends.pump();
    expect(written(link)).toEqual(['1: m1']);
    link.waitingBytes -= 1;
    sends.pump();
    send('m4');
    expect(written(link)).toEqual(['1: m2', '1: m3', '1: m4']);
  });
});
