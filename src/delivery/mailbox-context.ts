import { Logger } from '@nestjs/common';
import type { ChatOptions } from '../options/chat.options.js';
import type { Clock } from '../options/clock.js';
import { ChatError } from '../protocol/chat-error.js';
import type { HeldMessage } from './held-message.js';
import type { IdempotencyCache } from './idempotency-cache.js';
import type { Ledger } from './ledger.js';
import type { MailboxKey, MailboxStore, PositionBlock } from './mailbox-store.js';
import type { Recording } from './recording.js';
import { PersistTicks } from './persist-ticks.js';

/** Pause before a page of the backlog that could not be read is tried again, in milliseconds. */
const READ_RETRY_MS = 250;

/** What all mailboxes share. DeliveryService makes it; hosts do not see it. */
export class MailboxContext {
  /** Position of the last message that was accepted into any mailbox. */
  lastPosition: number;
  /** The last position that may be given. One server gives as many as it likes. */
  private endOfBlock = Infinity;
  /** Another process has these mailboxes: nothing that still comes for them counts. */
  isAbandoned = false;
  readonly ticks: PersistTicks;
  private readonly logger = new Logger('Delivery');

  /** `onIdle` is called when nobody reads a mailbox and nothing of it is in memory, so that it may be removed. */
  constructor(
    private readonly options: ChatOptions,
    readonly store: MailboxStore,
    readonly ledger: Ledger,
    readonly repeats: IdempotencyCache,
    /** Null where nothing is recorded. */
    readonly recording: Recording | null,
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

  get clock(): Clock {
    return this.options.clock;
  }

  now(): number {
    return this.options.clock.now();
  }

  /** How many positions may be given before the next block is needed. */
  get positionsLeft(): number {
    return this.endOfBlock - this.lastPosition;
  }

  /**
   * Only the positions of this block may be given from now on. Positions never go down: throws when the block does not
   * lie above those that were given.
   */
  takeBlock({ above, upTo }: PositionBlock): void {
    if (above < this.lastPosition) throw new Error('a block of positions lies below those that were given');
    this.lastPosition = above;
    this.endOfBlock = upTo;
  }

  nextPosition(): number {
    return (this.lastPosition += 1);
  }

  /** Returns a new position for a message that is not stored, behind what somebody else has written. */
  newPosition(held: HeldMessage): number {
    this.recording?.moveBehind(held);
    return this.nextPosition();
  }

  abandon(): void {
    this.isAbandoned = true;
    this.ticks.stop();
  }

  /** Logs that a page could not be read, or a fault of the server, and calls `retry` after a pause. */
  retryRead(error: unknown, retry: () => void): void {
    this.logger.error(error instanceof ChatError ? `The store can't be read: ${String(error)}` : error);
    this.options.clock.after(READ_RETRY_MS, retry);
  }
}
