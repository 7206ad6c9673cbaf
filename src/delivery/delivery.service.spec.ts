import { fakeReceiver } from '../../test/support/fake-receiver.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { slowStore } from '../../test/support/slow-store.js';
import { ConnectionService } from '../connections/connection.service.js';
import { resolveChatOptions, type ChatOptions } from '../options/chat.options.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import type { WireEnding } from '../protocol/wire.js';
import { DeliveryService } from './delivery.service.js';
import type { MailboxStore, StoreRequest } from './mailbox-store.js';

/** Delivery on a store whose commits the test settles, and what it has told the senders. */
function openDelivery(ofHost: Partial<ChatOptions> = {}, ofStore: Partial<MailboxStore> = {}) {
  const requests: StoreRequest[] = [];
  const heard: string[] = [];
  const clock = new ManualClock();
  const options = resolveChatOptions({ clock, ...ofHost });
  const delivery = new DeliveryService(options, new ConnectionService(options), slowStore(requests, ofStore));
  const listener = {
    onReceipt: ({ id, status }: Receipt) => void heard.push(`${id} ${status}`),
    onRefused: ({ code }: ChatError, id: string) => void heard.push(`${id} ${code}`),
  };
  const send = (id: string, to = 'bob'): void => delivery.send({ from: 'alice', to, content: 'x', id }, listener);
  return { clock, delivery, heard, listener, requests, send };
}

/** A connection of Bob that notes what it gets, and how it was closed. */
function noting(id: string, age: number) {
  const got: string[] = [];
  const receiver = fakeReceiver({
    id,
    age,
    onMessage: (message, seq) => void got.push(`${message.id} ${seq}`),
    writeSignal: ({ kind }) => got.push(kind) > 0,
    writeEndings: (endings: readonly WireEnding[]) => void got.push(...endings.map(({ end }) => end)),
    close: (code: number) => void got.push(String(code)),
  });
  return { got, receiver };
}

describe('under `replace`', () => {
  it('an older connection that attaches late is closed with 4409 itself, and the newer goes on', () => {
    const { delivery, heard, send } = openDelivery({ sessions: 'replace' });
    const [newer, older] = [noting('a', 2), noting('b', 1)];
    delivery.attach(newer.receiver);
    delivery.attach(older.receiver);
    send('m1');
    expect([newer.got, older.got]).toEqual([['m1 1'], ['4409']]);
    expect([delivery.confirm(older.receiver, 1), delivery.inFlight(older.receiver)]).toEqual([0, 0]);
    delivery.detach(older.receiver);
    expect([delivery.confirm(newer.receiver, 1), heard]).toEqual([1, ['m1 delivered']]);
  });

  it.each([
    ['has the higher age', noting('b', 1), noting('a', 2)],
    ['has the same age and the higher id', noting('a', 1), noting('b', 1)],
  ])('the connection takes over that %s', (_which, older, newer) => {
    const { delivery, send } = openDelivery({ sessions: 'replace' });
    delivery.attach(older.receiver);
    send('m1');
    delivery.attach(newer.receiver);
    expect(older.got).toEqual(['m1 1', '4409']);
    expect(delivery.confirm(older.receiver, 1)).toBe(0);
  });
});

describe('a connection that attaches again', () => {
  it('gets its messages numbered from where it was, and may confirm what came before', () => {
    const { delivery, heard, send } = openDelivery();
    const { got, receiver } = noting('a', 1);
    delivery.attach(receiver, 8);
    send('m1');
    send('m2');
    expect(got).toEqual(['m1 8', 'm2 9']);
    expect([7, 3, 0].map((seq) => delivery.confirm(receiver, seq))).toEqual([0, 0, 0]);
    expect(heard).toEqual([]);
    expect([8, 9, 10].map((seq) => delivery.confirm(receiver, seq))).toEqual([1, 1, null]);
    expect(heard).toEqual(['m1 delivered', 'm2 delivered']);
  });
});

describe('what is not a message', () => {
  it('reaches every connection that reads the mailbox of its user, wherever that is', async () => {
    const { delivery } = openDelivery({ sessions: 'multiple' });
    const [one, other] = [noting('a', 1), noting('b', 2)];
    const signal = () => delivery.signal({ from: 'alice', to: 'bob', kind: 'at', data: undefined });
    expect([delivery.hears('bob'), await signal()]).toEqual([false, 0]);
    for (const { receiver } of [one, other]) delivery.attach(receiver);
    expect([delivery.hears('bob'), await signal()]).toEqual([true, 2]);
    delivery.detach(one.receiver);
    delivery.tellEndings('bob', [{ id: 'm1', to: 'carol', end: 'expired' }]);
    expect([one.got, other.got]).toEqual([['at'], ['at', 'expired']]);
    expect(delivery.ledger.signals.of('dropped')).toBe(1);
  });
});
