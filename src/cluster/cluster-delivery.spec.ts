import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import type { CallHandler } from './calls.js';
import { ClusterDelivery } from './cluster-delivery.js';
import type { ClusterNode } from './cluster-node.js';
import type { SlotStore } from './served-slots.js';

function emitter<Argument>(): Emitter<Argument> {
  return new Emitter<Argument>(new Logger('Test'), 'test');
}

function open() {
  const clock = new ManualClock();
  let leave: () => void = () => undefined;
  let hear: () => void = () => undefined;
  const heard = new Promise<void>((resolve) => (hear = resolve));
  const membership = {
    changed: emitter(),
    acquired: emitter(),
    asked: emitter(),
    fenced: emitter(),
    check: jest.fn(),
    leave: () => new Promise<void>((resolve) => (leave = resolve)),
  };
  const handlers = new Map<string, CallHandler>();
  const node = {
    membership,
    links: { opened: emitter(), broken: emitter(), frame: emitter() },
    calls: { register: (name: string, handler: CallHandler) => handlers.set(name, handler), all: jest.fn(() => heard) },
  };
  const store = { fenced: emitter<undefined>() };
  const delivery = new ClusterDelivery(
    resolveChatOptions({ clock, drainMs: 4_000 }),
    { settle: () => Promise.resolve() } as DeliveryService,
    store as unknown as SlotStore,
    node as unknown as ClusterNode,
  );
  const listener = { onReceipt: jest.fn(), onRefused: jest.fn() };
  return { clock, delivery, membership, store, handlers, listener, left: () => leave(), hear: () => hear() };
}

describe('delivery of a node that stops', () => {
  afterEach(() => jest.restoreAllMocks());

  it('waits until the others have taken over, and leaves no timer behind', async () => {
    const { clock, delivery, left } = open();
    const before = clock.pendingAlarms;
    const leaving = delivery.leave();
    left();
    await leaving;
    expect(clock.pendingAlarms).toBe(before);
  });

  it('waits for half of drainMs when they do not, and says so once', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const { clock, delivery } = open();
    let state = 'leaving';
    const leaving = delivery.leave().then(() => (state = 'gone on'));
    clock.advance(1_999);
    await Promise.resolve();
    expect(state).toBe('leaving');
    clock.advance(1);
    await leaving;
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringContaining('not take over in 2000 ms'),
    ]);
  });
});

describe('delivery of a node without the mailbox', () => {
  it('refuses a signal of another node, which counts it as dropped', async () => {
    const { handlers } = open();
    const signal = { from: 'alice', to: 'bob', kind: 'composing', data: undefined };
    await expect(handlers.get('signal')!(signal, 2)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('delivery of a node that closes clients', () => {
  it('has settled when the other nodes have heard what the clients have confirmed, and holds up no sender for that', async () => {
    const { delivery, hear } = open();
    let state = 'settling';
    const settled = delivery.settle().then(() => (state = 'settled'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(state).toBe('settling');
    hear();
    await settled;
    expect(state).toBe('settled');
  });
});

describe('delivery of a node whose row is gone', () => {
  it('has its membership look at once when the store finds out', () => {
    const { membership, store } = open();
    expect(membership.check).not.toHaveBeenCalled();
    store.fenced.emit(undefined);
    expect(membership.check).toHaveBeenCalledTimes(1);
  });
});

describe('what is too large', () => {
  it.each([undefined, 'bob'])('is refused to its sender at once, to %s', (to) => {
    const { delivery, listener } = open();
    const send = () => delivery.send({ from: 'alice', to, content: 'x'.repeat(1_000_000) }, listener);
    expect(send).toThrow(expect.objectContaining({ code: 'CONTENT_TOO_LARGE' }));
    expect(listener.onReceipt).not.toHaveBeenCalled();
  });
});
