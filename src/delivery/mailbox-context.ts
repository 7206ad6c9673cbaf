import { Logger } from '@nestjs/common';
import type { ChatOptions } from '../options/chat.options.js';
import type { IdempotencyCache } from './idempotency-cache.js';
import type { Ledger } from './ledger.js';
import type { MailboxKey, MailboxStore } from './mailbox-store.js';
import { PersistTicks } from './persist-ticks.js';

/** Pause before a page of the backlog that could not be read is tried again, in milliseconds. */
const READ_RETRY_MS = 250;

/** What all mailboxes share. DeliveryService makes it; hosts have no part in it. */
export class MailboxContext {
  /** Position of the last message that was accepted into any mailbox. */
  lastPosition: number;
  readonly ticks: PersistTicks;
  private readonly logger = new Logger('Delivery');

  /** `onIdle`: nobody reads that mailbox and nothing of it is in memory, so it may be thrown away. */
  constructor(
    private readonly options: ChatOptions,
    readonly store: MailboxStore,
    readonly ledger: Ledger,
    readonly repeats: IdempotencyCache,
    readonly onIdle: (mailbox: { readonly key: MailboxKey }) => void,
  ) {
    this.lastPosition = store.lastPosition;
    this.ticks = new PersistTicks(options.clock, options.persistAfterMs);
  }

  get ackWindow(): number {
    return this.options.ackWindow;
  }

  /** Nothing is written to anybody before it is stored. */
  get persistFirst(): boolean {
    return this.options.persistAfterMs === 0;
  }

  nextPosition(): number {
    return (this.lastPosition += 1);
  }

  /** A page could not be read: logs it, and calls `retry` after a while. */
  retryRead(error: unknown, retry: () => void): void {
    this.logger.error(`The store can't be read: ${String(error)}`);
    this.options.clock.after(READ_RETRY_MS, retry);
  }
}
