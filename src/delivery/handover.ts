import type { HeldMessage } from './held-message.js';
import type { HeldMessages } from './held-messages.js';
import type { MailboxStore } from './mailbox-store.js';

/** What it needs of the context of a mailbox. */
interface HandoverContext {
  readonly store: Pick<MailboxStore, 'store'>;
  readonly persistFirst: boolean;
}

/** Hands the messages of one mailbox to the store, in their order. */
export class Handover {
  /** Every message up to this position was handed to the store, or its life is over, or it may not be stored. */
  private handedUpTo = 0;

  constructor(
    private readonly held: HeldMessages,
    private readonly context: HandoverContext,
  ) {}

  /**
   * Stores a message, and before it all older ones that are in memory only: after a crash none may be behind it
   * [protocol 2.4].
   */
  store(held: HeldMessage): void {
    for (let next = this.held.firstAfter(this.handedUpTo); next && next.position < held.position;) {
      if (next.state === 'memory' && !next.isLiveOnly) this.handOver(next);
      next = this.held.firstAfter(next.position);
    }
    this.handOver(held);
  }

  private handOver(held: HeldMessage): void {
    held.moveTo('storing');
    held.isDelayed ||= !this.context.persistFirst;
    this.handedUpTo = Math.max(this.handedUpTo, held.position);
    this.context.store.store(held);
  }
}
