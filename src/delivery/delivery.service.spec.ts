import { setImmediate as nextTurn } from 'node:timers/promises';
import { fakeReceiver } from '../../test/support/fake-receiver.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { slowStore } from '../../test/support/slow-store.js';
import { ConnectionService } from '../connections/connection.service.js';
import { resolveChatOptions, type ChatOptions } from '../options/chat.options.js';
import type { Moment } from '../options/clock.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import { DeliveryService } from './delivery.service.js';
import { mailboxKeyOf, type FirstPage, type MailboxStore, type StoreRequest } from './mailbox-store.js';
import type { Unsettled } from './release.js';

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

/** A connection that notes what it gets, and how it was closed. */
function noting(id: string, user = 'bob', opened?: Moment) {
  const got: string[] = [];
  const receiver = fakeReceiver({
    id,
    opened,
    user,
    onBroadcast: ({ id: broadcast }: { id: string }) => got.push(broadcast) > 0,
    onReleased: () => void got.push('released'),
    onMessage: (message, seq) => void got.push(`${message.id} ${seq}`),
    writeSignal: ({ kind }) => got.push(kind) > 0,
    writeNews: (news: News) =>
      void got.push(...('endings' in news ? news.endings.map(({ end }) => end) : ['other news'])),
    close: (code: number) => void got.push(String(code)),
  });
  return { got, receiver };
}

describe('under `replace`', () => {
  it('an older connection that attaches late is closed with 4409 itself, and the newer goes on', () => {
    const { delivery, heard, send } = openDelivery({ sessions: 'replace' });
    const [newer, older] = [noting('a', 'bob', { at: 25, errorMs: 4 }), noting('b', 'bob', { at: 10, errorMs: 10 })];
    delivery.attach(newer.receiver);
    delivery.attach(older.receiver);
    send('m1');
    expect([newer.got, older.got]).toEqual([['m1 1'], ['4409']]);
    expect([delivery.confirm(older.receiver, 1), delivery.inFlight(older.receiver)]).toEqual([0, 0]);
    delivery.detach(older.receiver);
    expect([delivery.confirm(newer.receiver, 1), heard]).toEqual([1, ['m1 delivered']]);
  });

  it.each([
    ['was opened later', { at: 10, errorMs: 10 }, { at: 25, errorMs: 4 }],
    ['may have been opened later', { at: 25, errorMs: 5 }, { at: 10, errorMs: 10 }],
    ['attaches later, where all attach in the order of connecting', undefined, undefined],
  ])('the connection takes over that %s', (_which, one, other) => {
    const [older, newer] = [noting('b', 'bob', one), noting('a', 'bob', other)];
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
    const { got, receiver } = noting('a');
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
    const [one, other] = [noting('a'), noting('b')];
    const signal = () => delivery.signal({ from: 'alice', to: 'bob', kind: 'at', data: undefined });
    expect([delivery.hears('bob'), await signal()]).toEqual([false, 0]);
    for (const { receiver } of [one, other]) delivery.attach(receiver);
    expect([delivery.hears('bob'), await signal()]).toEqual([true, 2]);
    delivery.detach(one.receiver);
    delivery.tell('bob', { endings: [{ id: 'm1', to: 'carol', end: 'expired' }] });
    expect([one.got, other.got]).toEqual([['at'], ['at', 'expired']]);
    expect(delivery.ledger.signals.of('dropped')).toBe(1);
  });

  it('is an echo only for those who are up to date and have not sent the message themselves', () => {
    const { delivery, send } = openDelivery({ sessions: 'multiple', ackWindow: 2 });
    const [one, other, third] = [noting('a'), noting('b'), noting('c')];
    for (const { receiver } of [one, other]) delivery.attach(receiver);
    const echo = { id: 'm9', from: 'bob', to: 'carol', content: 'x', sentAt: 0, extras: { origin: 'a' } };
    delivery.tell('bob', { echo });
    expect([one.got, other.got]).toEqual([[], ['other news']]);
    for (const id of ['m1', 'm2']) send(id); // The windows are full.
    delivery.attach(third.receiver);
    delivery.tell('bob', { echo: { ...echo, extras: undefined } });
    delivery.tell('bob', { mark: { user: 'bob', with: 'carol', read: 1 } });
    expect(one.got.slice(2)).toEqual(['other news']);
    expect(third.got.slice(-1)).toEqual(['other news']);
    expect(third.got.filter((each) => each === 'other news')).toHaveLength(1);
  });
});

describe('positions in blocks', () => {
  it('are refused when none is left, and go on with the next block', () => {
    const { delivery, heard, requests, send } = openDelivery();
    expect(delivery.positionsLeft).toBe(Infinity);
    delivery.takeBlock({ above: 100, upTo: 101 });
    send('m1');
    send('m2');
    delivery.takeBlock({ above: 300, upTo: 400 });
    send('m2');
    expect(requests.map(({ position }) => position)).toEqual([101, 301]);
    expect([heard, delivery.positionsLeft]).toEqual([['m2 STORE_UNAVAILABLE'], 99]);
  });

  it('never go down', () => {
    const { delivery, send } = openDelivery();
    delivery.takeBlock({ above: 100, upTo: 200 });
    send('m1');
    expect(() => delivery.takeBlock({ above: 100, upTo: 200 })).toThrow('below those that were given');
  });
});

describe('a message that another process has made', () => {
  it('keeps its id, time and extras, and a repeat of it gets the receipt of the first', () => {
    const { delivery, heard, listener, requests } = openDelivery();
    const extras = { meta: '{"a":1}', expiresAt: undefined, topic: 'news', urgency: undefined };
    const message = { id: 'm1', from: 'alice', to: 'bob', content: 'xyz', sentAt: 7, extras };
    delivery.take(message, listener);
    expect(requests.map((request) => [request.message, request.bytes])).toEqual([[message, 10]]);
    requests[0]!.onSettled({ status: 'stored' });
    delivery.take({ ...message }, listener);
    expect([heard, requests.length]).toEqual([['m1 stored', 'm1 stored'], 1]);
  });
});

describe('a release', () => {
  const ofBob = (mailbox: string) => mailbox === 'bob';
  const settle = async (clock: ManualClock, ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      await nextTurn();
      clock.advance(10);
    }
    await nextTurn();
  };

  it('waits for what is in flight to be confirmed, and then neither stores nor repeats it', async () => {
    const { clock, delivery, heard, requests, send } = openDelivery();
    const { got, receiver } = noting('a');
    delivery.attach(receiver);
    send('m1');
    const released = delivery.release(ofBob);
    await settle(clock, 20);
    expect(got).toEqual(['m1 1']);
    delivery.confirm(receiver, 1);
    await settle(clock, 10);
    await released;
    expect([got, heard, requests]).toEqual([['m1 1', 'released'], ['m1 delivered'], []]);
    expect([delivery.confirm(receiver, 1), delivery.hears('bob')]).toEqual([0, false]);
  });

  it('writes nothing more, and stores in order what is not confirmed within a second', async () => {
    const { clock, delivery, heard, requests, send } = openDelivery({ persistAfterMs: 50 });
    const { got, receiver } = noting('a');
    delivery.attach(receiver);
    send('m1');
    send('m2');
    let isReleased = false;
    const released = delivery.release(ofBob).then(() => (isReleased = true));
    delivery.confirm(receiver, 1);
    send('m3'); // What nobody may do any more is not lost either, and nothing overtakes.
    expect(requests.map(({ message }) => message.id)).toEqual(['m2', 'm3']);
    await settle(clock, 990);
    expect(got).toEqual(['m1 1', 'm2 2']);
    await settle(clock, 20);
    expect([got, isReleased]).toEqual([['m1 1', 'm2 2', 'released'], false]);
    for (const request of requests) request.onSettled({ status: 'stored' });
    await settle(clock, 10);
    await released;
    expect(heard).toEqual(['m1 delivered', 'm2 stored', 'm3 stored']);
    expect(delivery['mailboxes'].size).toBe(0);
  });

  it('does not wait for who has confirmed nothing for a second', async () => {
    const { clock, delivery, requests, send } = openDelivery();
    const { got, receiver } = noting('a');
    delivery.attach(receiver);
    for (const id of ['m1', 'm2']) send(id);
    clock.advance(900);
    delivery.confirm(receiver, 1);
    clock.advance(900);
    send('m3');
    void delivery.release(ofBob);
    await settle(clock, 50);
    expect(got.at(-1)).toBe('m3 3');
    await settle(clock, 60);
    expect(got.at(-1)).toBe('released');
    expect(requests.map(({ message }) => message.id)).toEqual(['m1', 'm2', 'm3']);
  });

  it('tells everybody of a broadcast, and leaves other mailboxes as they are', async () => {
    const { clock, delivery, send } = openDelivery({ ackWindow: 2 });
    const [bob, carol] = [noting('a'), noting('b', 'carol')];
    for (const { receiver } of [bob, carol]) delivery.attach(receiver);
    for (const to of ['bob', 'carol']) for (const id of ['m1', 'm2', 'm3']) send(`${id}-${to}`, to);
    delivery.send({ from: 'alice', content: 'x', id: 'kept' }, openDelivery().listener);
    const released = delivery.release(ofBob);
    delivery.send({ from: 'alice', content: 'x', id: 'now' }, openDelivery().listener);
    expect(bob.got).toEqual(['m1-bob 1', 'm2-bob 2', 'kept', 'now']);
    delivery.confirm(carol.receiver, 1);
    expect(carol.got).toEqual(['m1-carol 1', 'm2-carol 2', 'm3-carol 3']);
    delivery.abandon(); // Ends a release as well.
    await settle(clock, 10);
    await released;
  });

  it('reads nothing more for a connection that is opening', async () => {
    let read: (page: FirstPage) => void = () => undefined;
    const firstPage = () => new Promise<FirstPage>((resolve) => (read = resolve));
    const { clock, delivery } = openDelivery({}, { lastPosition: 9, firstPage });
    const { got, receiver } = noting('a');
    delivery.attach(receiver);
    const released = delivery.release(ofBob);
    const row = { mailbox: mailboxKeyOf('bob'), position: 5, id: 'm1', from: 'alice', to: 'bob', content: 'x' };
    read({ pending: 1, isLast: true, rows: [{ ...row, bytes: 1, sentAt: 1, storedAt: 1 }] });
    await settle(clock, 10);
    await released;
    expect([got, delivery['mailboxes'].size]).toEqual([['released'], 0]);
  });
});

describe('a process that is fenced', () => {
  it('gives back what has no outcome, in order and with its senders, and tells nobody anything', () => {
    const { delivery, heard, listener, requests, send } = openDelivery({ ackWindow: 2 });
    const { got, receiver } = noting('a');
    delivery.attach(receiver);
    for (const [id, to] of [['m1'], ['m2'], ['m3', 'carol']] as const) send(id, to);
    delivery.confirm(receiver, 1);
    for (const id of ['m4', 'm4', 'm5']) send(id);
    requests.find(({ message }) => message.id === 'm3')!.onSettled({ status: 'stored' });
    expect(heard).toEqual(['m1 delivered', 'm3 stored']);
    const unsettled = delivery.abandon();
    expect(unsettled.map(({ message }) => message.id)).toEqual(['m2', 'm4', 'm4', 'm5']);
    expect(unsettled.every((each) => each.listener === listener)).toBe(true);
    for (const request of requests) request.onSettled({ status: 'stored' });
    expect([heard.length, got.includes('released'), delivery.confirm(receiver, 2)]).toEqual([2, false, 0]);
    const { accepted, confirmed, pending, inFlight, handedOver } = delivery.totals;
    // The store of this test counts no rows.
    expect({ accepted, confirmed, pending, inFlight, handedOver }).toEqual({
      accepted: 4,
      confirmed: 1,
      pending: 0,
      inFlight: 0,
      handedOver: 2,
    });
  });

  it('accepts nothing before it has a new block, and then what it gave back', () => {
    const { delivery, heard, listener, requests, send } = openDelivery();
    send('m1');
    const [{ message }] = delivery.abandon() as [Unsettled];
    delivery.take(message, listener);
    expect(heard).toEqual(['m1 STORE_UNAVAILABLE']);
    delivery.takeBlock({ above: 1_000, upTo: 2_000 });
    delivery.take(message, listener);
    requests.at(-1)!.onSettled({ status: 'stored' });
    expect([heard.at(-1), requests.map(({ position }) => position)]).toEqual(['m1 stored', [1, 1_001]]);
  });
});
