import { FakeLink } from '../../test/support/fake-link.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { Receiver } from '../delivery/receiver.js';
import type { Message } from '../protocol/message.js';
import { LinkedEdge } from './linked-edge.js';

const SLOT = 7;

function open() {
  const taken: string[] = [];
  const gate = { serves: true };
  const link = new FakeLink(2);
  const attached: Receiver[] = [];
  const detached: object[] = [];
  const home = {
    take: ({ id }: Message) => void taken.push(id),
    attach: (receiver: Receiver) => void attached.push(receiver),
    detach: (receiver: object) => void detached.push(receiver),
  } as unknown as DeliveryService;
  const edge = new LinkedEdge(link, home, () => gate.serves);
  const send = (stream: number, id: string): void =>
    edge.onFrame(['send', SLOT, stream, 1, { id, from: 'alice', to: 'bob', content: 'x', sentAt: 1 }, true]);
  return { taken, gate, link, edge, send, attached, detached };
}

describe('a home', () => {
  it('refuses the rest of a stream that it has refused once, also when it serves the slot by then', () => {
    const { taken, gate, link, send } = open();
    gate.serves = false;
    send(1, 'm1');
    gate.serves = true;
    send(1, 'm2');
    send(2, 'm1');
    send(2, 'm2');
    expect(link.take()).toEqual([['moved', SLOT, 1]]);
    expect(taken).toEqual(['m1', 'm2']);
  });

  it('attaches nobody while it does not serve the slot', () => {
    const { gate, link, edge, attached } = open();
    gate.serves = false;
    edge.onFrame(['attach', 3, 'bob', 'c1', { at: 1, errorMs: 0 }, 1, 'json']);
    expect(link.take()).toEqual([['unattached', 3]]);
    expect(attached).toEqual([]);
  });

  it('knows that a text connection gets no signal', () => {
    const { link, edge, attached } = open();
    edge.onFrame(['attach', 3, 'bob', 'c1', { at: 1, errorMs: 0 }, 1, 'text']);
    edge.onFrame(['attach', 4, 'bob', 'c2', { at: 1, errorMs: 0 }, 1, 'json']);
    const signal = { from: 'alice', to: 'bob', kind: 'composing', data: undefined };
    expect(attached.map((receiver) => receiver.writeSignal(signal))).toEqual([false, true]);
    expect(link.take()).toEqual([['signal-to', 4, signal]]);
  });

  it('detaches the connections of a link that broke, but for those that it has ended itself', () => {
    const { link, edge, attached, detached } = open();
    edge.onFrame(['attach', 3, 'bob', 'c1', { at: 1, errorMs: 0 }, 1, 'json']);
    edge.onFrame(['attach', 4, 'carol', 'c2', { at: 1, errorMs: 0 }, 1, 'json']);
    attached[0]!.close(4409, 'replaced');
    expect(link.take()).toEqual([['close', 3, 4409, 'replaced']]);
    link.break();
    edge.close();
    expect(detached).toEqual([attached[1]]);
  });
});
