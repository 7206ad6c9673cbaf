import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { fakeReceiver } from '../../test/support/fake-receiver.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { slowStore } from '../../test/support/slow-store.js';
import { Broadcast } from '../connections/broadcast.js';
import { resolveChatOptions, type ChatOptions } from '../options/chat.options.js';
import { ChatError } from '../protocol/chat-error.js';
import { IdempotencyCache } from './idempotency-cache.js';
import { Ledger } from './ledger.js';
import { Mailbox } from './mailbox.js';
import { MailboxContext } from './mailbox-context.js';
import { mailboxKeyOf, type MailboxStore, type RecordRequest, type StoreRequest } from './mailbox-store.js';
import { PendingReceipt } from './pending-receipt.js';
import { Recording } from './recording.js';

/** A mailbox whose user is connected, and what was written to them and told to the senders. */
function openMailbox(ofStore: Partial<MailboxStore> = {}, ofHost: Partial<ChatOptions> = {}) {
  const requests: StoreRequest[] = [];
  const written: string[] = [];
  const awaited: string[] = [];
  const heard: string[] = [];
  const receiver = fakeReceiver({
    isOpen: true as boolean,
    onMessage: ({ id }: { id: string }, seq: number, _delayed: boolean, isAwaited: boolean) => {
      written.push(`${id} ${seq}`);
      if (isAwaited) awaited.push(id);
    },
  });
  const listener = {
    onReceipt: ({ id, status }: { id: string; status: string }) => void heard.push(`${id} ${status}`),
    onRefused: ({ code }: ChatError, id: string) => void heard.push(`${id} ${code}`),
  };
  const store = slowStore(requests, ofStore);
  const ledger = new Ledger(store);
  const options = resolveChatOptions({ ackWindow: 2, ...ofHost });
  const recording = store.record && new Recording(store.record, ledger, options);
  const context = new MailboxContext(options, store, ledger, new IdempotencyCache(), recording, () => undefined);
  const mailbox = new Mailbox(mailboxKeyOf('bob'), context);
  const reader = mailbox.attach(receiver);
  const send = (id: string, awaitsReceipt = true): void => {
    const message = { id, from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
    const placed = recording?.placed(message) ?? message;
    mailbox.accept(placed, context.nextPosition(), 1, new PendingReceipt(message, { ...listener, awaitsReceipt }));
  };
  return { requests, written, awaited, heard, receiver, ledger, mailbox, reader, send };
}

describe('a mailbox', () => {
  afterEach(() => jest.restoreAllMocks());

  it('needs a confirmation soon where the sender is told the receipt, and when half of the window is in flight', () => {
    const { awaited, mailbox, reader, send } = openMailbox({}, { ackWindow: 6 });
    send('m1', false);
    send('m2');
    expect(awaited).toEqual(['m2']);
    for (const id of ['m3', 'm4']) send(id, false);
    expect(awaited).toEqual(['m2', 'm3', 'm4']);
    mailbox.confirm(reader, 4);
    send('m5', false);
    expect(awaited).toHaveLength(3);
  });

  it('stores a message again that was refused by the store after it had been written to its recipient', () => {
    const { requests, written, heard, ledger, mailbox, reader, send } = openMailbox();
    for (const id of ['m1', 'm2', 'm3']) send(id);
    expect(requests.map(({ message }) => message.id)).toEqual(['m1', 'm2', 'm3']); // The window is full.
    mailbox.confirm(reader, 2);
    expect(written).toEqual(['m1 1', 'm2 2', 'm3 3']);
    const third = requests[2]!;
    third.onSettled({ status: 'refused', error: new ChatError('MAILBOX_FULL', 'full') });
    expect(requests.slice(3)).toEqual([third]);
    third.onSettled({ status: 'stored' });
    expect(heard).toEqual(['m1 delivered', 'm2 delivered', 'm3 stored']);
    expect(ledger.totals()).toMatchObject({ accepted: 3, inFlight: 2 });
  });

  it('tells of a confirmed message that the store refused when it is in the record', () => {
    const toRecord: RecordRequest[] = [];
    const record = {
      counts: { recorded: 0, expired: 0, erased: 0 },
      upTo: 0,
      isFull: false,
      add: (request: RecordRequest) => void toRecord.push(request),
      markDelivered: () => undefined,
    };
    const { requests, heard, mailbox, reader, send } = openMailbox({ record });
    for (const id of ['m1', 'm2', 'm3']) send(id); // The window is full, so all are on their way to the store.
    mailbox.confirm(reader, 1);
    requests[0]!.onSettled({ status: 'refused', error: new ChatError('MAILBOX_FULL', 'full') });
    expect(heard).toEqual([]);
    const [first] = toRecord;
    first!.onRecorded(first!.message.extras!.position!);
    expect(heard).toEqual(['m1 delivered']);
  });

  it('writes each message once and in order when a listener sends to the same mailbox', () => {
    const { written, ledger, send } = openMailbox();
    ledger.accepted.on(({ id }) => {
      if (id === 'm1') send('m2');
    });
    send('m1');
    expect(written).toEqual(['m1 1', 'm2 2']);
    expect(ledger.totals()).toMatchObject({ accepted: 2, inFlight: 2 });
  });

  it('keeps a message when the store removes another one that had its position', () => {
    const { heard, mailbox, reader, send } = openMailbox();
    for (const id of ['m1', 'm2', 'm3']) send(id);
    const row = { mailbox: mailbox.key, from: 'alice', id: 'm1' };
    mailbox.onRemoved({ ...row, position: 1, id: 'other' });
    mailbox.onRemoved({ ...row, position: 1, from: 'carol' });
    mailbox.onRemoved({ ...row, position: 2, id: 'm2' });
    mailbox.confirm(reader, 2);
    expect(heard).toEqual(['m1 delivered']);
  });

  it('gives no broadcast to a connection that is closing, and does not count it', () => {
    const { mailbox, reader, receiver, send } = openMailbox();
    receiver.isOpen = false;
    send('m1'); // Finds out that the socket takes no more.
    expect(reader.state).toBe('leaving');
    expect(mailbox.broadcast(reader, new Broadcast('b1', 'alice', 'x', 1))).toBe(false);
  });

  it('stores what comes for a connection that is closing, which may still confirm what it has', () => {
    const { requests, written, heard, mailbox, reader, receiver, send } = openMailbox();
    send('m1');
    receiver.isOpen = false;
    for (const id of ['m2', 'm3']) send(id);
    expect(mailbox.confirm(reader, 1)).toBe(1);
    mailbox.detach(reader);
    expect(written).toEqual(['m1 1']);
    expect(heard).toEqual(['m1 delivered']);
    expect(requests.map(({ message, hasEnded }) => [message.id, hasEnded])).toEqual([
      ['m1', true],
      ['m2', false],
      ['m3', false],
    ]);
  });

  it('tries a read that failed once after each pause, however many messages come meanwhile', async () => {
    const clock = new ManualClock();
    jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    let reads = 0;
    const failing = () => {
      reads += 1;
      return Promise.reject(new ChatError('STORE_UNAVAILABLE', 'no disk'));
    };
    const store = { lastPosition: 9, firstPage: failing, page: failing };
    const { reader, mailbox, send } = openMailbox(store, { clock });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    for (let pauses = 0; pauses < 3; pauses += 1) {
      await turn();
      expect([reads, reader.state]).toEqual([pauses + 1, 'paused']);
      for (const id of ['m1', 'm2', 'm3']) {
        send(`${id} ${pauses}`);
        await turn();
      }
      expect(reads).toBe(pauses + 1);
      clock.advance(250);
    }
    await turn();
    mailbox.detach(reader);
    clock.advance(250);
    await turn();
    expect([reads, reader.state]).toEqual([4, 'detached']);
  });

  it('leaves while a page is on its way, and writes nothing of that', async () => {
    const clock = new ManualClock();
    jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    let arrive: (page: Awaited<ReturnType<MailboxStore['page']>>) => void = () => undefined;
    const { reader, mailbox, written } = openMailbox(
      {
        lastPosition: 9,
        firstPage: () => Promise.reject(new ChatError('STORE_UNAVAILABLE', 'no disk')),
        page: () => new Promise((resolve) => (arrive = resolve)),
      },
      { clock },
    );
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    clock.advance(250);
    expect(reader.state).toBe('reading');
    mailbox.leave();
    const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
    arrive({ rows: [{ ...message, position: 1, storedAt: 1, bytes: 1, mailbox: mailbox.key }], isLast: true });
    await turn();
    expect([reader.state, written]).toEqual(['leaving', []]);
  });
});
