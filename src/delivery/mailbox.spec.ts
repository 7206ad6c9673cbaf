import { Logger } from '@nestjs/common';
import { resolveChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import { ChatError } from '../protocol/chat-error.js';
import { IdempotencyCache } from './idempotency-cache.js';
import { Ledger } from './ledger.js';
import { Mailbox } from './mailbox.js';
import { MailboxContext } from './mailbox-context.js';
import { mailboxKeyOf, type MailboxStore, type StoreRequest } from './mailbox-store.js';
import { PendingReceipt } from './pending-receipt.js';

/** A store whose commits are all under way until the test settles them. */
function slowStore(requests: StoreRequest[]): MailboxStore {
  const logger = new Logger('Test');
  const nothing = { pending: 0, recovered: 0, confirmed: 0, expired: 0, purged: 0, evicted: 0 };
  const page = { pending: 0, rows: [], isLast: true };
  return {
    removed: new Emitter(logger, 'removed'),
    displaced: new Emitter(logger, 'displaced'),
    lastPosition: 0,
    counts: nothing,
    isFull: false,
    whenRoom: () => undefined,
    store: (request) => void requests.push(request),
    cancel: () => false,
    remove: () => undefined,
    firstPage: () => Promise.resolve(page),
    page: () => Promise.resolve(page),
    isLeaving: () => false,
    count: () => Promise.resolve(0),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

describe('a mailbox', () => {
  it('stores a message again that was refused by the store after it had been written to its recipient', () => {
    const requests: StoreRequest[] = [];
    const written: string[] = [];
    const heard: string[] = [];
    const options = resolveChatOptions({ ackWindow: 2 });
    const store = slowStore(requests);
    const ledger = new Ledger(store);
    const context = new MailboxContext(options, store, ledger, new IdempotencyCache(), () => undefined);
    const mailbox = new Mailbox(mailboxKeyOf('bob'), context);
    const reader = mailbox.attach({
      isOpen: true,
      onOpened: () => undefined,
      onMessage: ({ id }) => void written.push(id),
      onBroadcast: () => true,
      onCaughtUp: () => undefined,
    });
    const listener = {
      onReceipt: ({ id, status }: { id: string; status: string }) => void heard.push(`${id} ${status}`),
      onRefused: ({ code }: ChatError, id: string) => void heard.push(`${id} ${code}`),
    };
    for (const id of ['m1', 'm2', 'm3']) {
      const message = { id, from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
      mailbox.accept(message, context.nextPosition(), 1, new PendingReceipt(message, listener));
    }
    expect(requests.map(({ message }) => message.id)).toEqual(['m1', 'm2', 'm3']); // The window is full.
    mailbox.confirm(reader, 2);
    expect(written).toEqual(['m1', 'm2', 'm3']);
    const third = requests[2]!;
    third.onSettled({ status: 'refused', error: new ChatError('MAILBOX_FULL', 'full') });
    expect(requests.slice(3)).toEqual([third]);
    third.onSettled({ status: 'stored' });
    expect(heard).toEqual(['m1 delivered', 'm2 delivered', 'm3 stored']);
    expect(ledger.totals()).toMatchObject({ accepted: 3, inFlight: 2 });
  });
});
