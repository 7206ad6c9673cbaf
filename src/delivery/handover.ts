import type { HeldMessage } from './held-message.js';
import type { HeldMessages } from './held-messages.js';
import { WINDOW_BYTES, type MailboxReader } from './mailbox-reader.js';
import type { MailboxStore } from './mailbox-store.js';

/** What it needs of the context of a mailbox. */
interface HandoverContext {
  readonly store: Pick<MailboxStore, 'store'>;
  readonly ackWindow: number;
  readonly persistFirst: boolean;
}

/** Decides which messages of one mailbox go to the store, and hands them over in their order. */
export class Handover {
  /** Every message up to this position was handed to the store, or its life is over, or it may not be stored. */
  private handedUpTo = 0;

  constructor(
    private readonly held: HeldMessages,
    private readonly context: HandoverContext,
  ) {}

  /** It is in memory only, and may not stay there. */
  mustStore(held: HeldMessage, readers: ReadonlySet<MailboxReader>): boolean {
    return held.state === 'memory' && !this.mayStayInMemory(held, readers);
  }

  /** Every connection has it in flight, or gets it as soon as its first page is read. */
  private mayStayInMemory(held: HeldMessage, readers: ReadonlySet<MailboxReader>): boolean {
    if (held.isLiveOnly) return held.inFlight > 0;
    if (readers.size === 0) return false;
    if (held.inFlight === readers.size) return true;
    // What waits with its topic is replaced in the store, behind the commit of this one.
    if (this.context.persistFirst || held.topic !== undefined) return false;
    let opening = 0;
    for (const { state } of readers) if (state === 'opening') opening += 1;
    return held.inFlight + opening === readers.size && this.held.fit(this.context.ackWindow, WINDOW_BYTES);
  }

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
