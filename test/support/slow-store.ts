import { Logger } from '@nestjs/common';
import type { MailboxStore, StoreRequest } from '../../src/delivery/mailbox-store.js';
import { Emitter } from '../../src/options/emitter.js';

/** An empty store whose commits are all under way until the test settles them. */
export function slowStore(requests: StoreRequest[], given: Partial<MailboxStore> = {}): MailboxStore {
  const logger = new Logger('Test');
  const page = { pending: 0, rows: [], isLast: true };
  return {
    removed: new Emitter(logger, 'removed'),
    displaced: new Emitter(logger, 'displaced'),
    spare: new Emitter(logger, 'spare'),
    lastPosition: 0,
    counts: { pending: 0, recovered: 0, confirmed: 0, expired: 0, purged: 0, evicted: 0, replaced: 0, handedOver: 0 },
    lastSeen: { note: () => undefined, of: () => Promise.resolve(null) },
    record: null,
    isFull: false,
    whenRoom: () => undefined,
    store: (request) => void requests.push(request),
    cancel: () => false,
    remove: () => undefined,
    firstPage: () => Promise.resolve(page),
    page: () => Promise.resolve(page),
    isBeingRemoved: () => false,
    count: () => Promise.resolve(0),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    ...given,
  };
}
