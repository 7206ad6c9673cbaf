import type { HeldMessage } from './held-message.js';
import type { HeldMessages } from './held-messages.js';
import type { Ledger } from './ledger.js';
import type { MailboxStore } from './mailbox-store.js';
import type { Recording } from './recording.js';

/** What it needs of the context of a mailbox. */
interface EndsContext {
  readonly ledger: Ledger;
  readonly store: Pick<MailboxStore, 'cancel' | 'remove'>;
  readonly recording: Recording | null;
}

/** Ends the lives of the messages of one mailbox. */
export class MessageEnds {
  constructor(
    private readonly held: HeldMessages,
    private readonly context: EndsContext,
  ) {}

  /** While its commit is under way, the outcome is awaited. */
  end(
    held: HeldMessage,
    next: 'ending' | 'unrecorded' | 'ended' = held.state === 'storing' ? 'ending' : 'ended',
  ): void {
    held.moveTo(next);
    this.held.onNotHeld();
  }

  /** It was confirmed while its commit was under way, which did not store it. */
  notStored(held: HeldMessage): void {
    held.moveTo(held.recordState === 'recording' ? 'unrecorded' : 'ended');
    if (held.wasRelayed) this.context.ledger.confirmedLive(held.message);
  }

  /** It repeats one that waits in the store, and that was accepted at `sentAt`. */
  repeated(held: HeldMessage, next: 'ended' | undefined, sentAt: number, recordedAt: number | undefined): void {
    this.end(held, next);
    held.pendingReceipt?.receipted('stored', sentAt, true, recordedAt);
  }

  /** Its recipient has it. It is removed from the store if it is there. */
  confirmed(held: HeldMessage): void {
    const { ledger, store, recording } = this.context;
    const wasStored = held.state === 'stored';
    const isUnderWay = held.state === 'storing' && !store.cancel(held);
    this.end(held, isUnderWay ? 'ending' : held.recordState === 'recording' ? 'unrecorded' : 'ended');
    if (recording) recording.onConfirmed(held);
    else held.pendingReceipt?.receipted('delivered', held.sentAt);
    if (held.isLiveOnly) ledger.acceptedLive(held.message);
    if (wasStored) store.remove(held, 'confirmed');
    else if (!isUnderWay) ledger.confirmedLive(held.message);
    // Otherwise its commit is under way, and onSettled removes it.
  }

  /** It may not be stored where another message would be, and nobody has confirmed it. */
  absent(held: HeldMessage): void {
    this.end(held);
    this.context.ledger.countAbsent();
    held.pendingReceipt?.receipted('absent', held.sentAt);
  }

  /** Its `ttl` is over while it waits in the store. */
  expired(held: HeldMessage): void {
    this.end(held);
    this.context.store.remove(held, 'expired');
  }
}
