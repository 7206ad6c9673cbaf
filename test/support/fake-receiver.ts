import type { Receiver } from '../../src/delivery/receiver.js';

/** A receiver that takes everything and notes nothing, but for what the test gives. */
export function fakeReceiver<Given extends Partial<Receiver>>(given: Given): Receiver & Given {
  const receiver: Receiver = {
    id: 'r1',
    user: 'bob',
    isOpen: true,
    onOpened: () => undefined,
    onMessage: () => undefined,
    onBroadcast: () => true,
    onCaughtUp: () => undefined,
    writeSignal: () => true,
    writeNews: () => undefined,
    close: () => undefined,
  };
  return Object.assign(receiver, given);
}
