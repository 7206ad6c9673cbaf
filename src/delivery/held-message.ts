import type { Message } from '../protocol/message.js';
import type { PendingReceipt } from './pending-receipt.js';
import type { MailboxKey, StoredHeader, StoreOutcome, StoreRequest } from './mailbox-store.js';

/** The mailbox, as far as a message of it knows it. */
export interface HoldingMailbox {
  readonly key: MailboxKey;
  onSettled(held: HeldMessage, outcome: StoreOutcome): void;
}

/** A message of a mailbox while it is in memory: it is in flight, it waits behind others, or it is being stored. */
export class HeldMessage implements StoreRequest, StoredHeader {
  /** Where it is on its way to the disk: in memory only, in the commit queue, or committed. */
  disk: 'memory' | 'storing' | 'stored' = 'memory';
  /** Taken: written to its recipient, or committed. Until then it may still be refused. */
  accepted = false;
  /** It has come to its end: confirmed, refused, or ended in the store. */
  gone = false;
  /** The mailbox does not hold it any more: it is gone, or it can be read from the disk. */
  released = false;
  /** How many connections it was written to that have not confirmed it. */
  inFlight = 0;
  /** How many sweeps there had been when it was taken; so many later it is stored if it is not confirmed. */
  takenAtSweep = 0;
  /** When it was taken, nothing stood between it and its recipient but its own commit (`persistAfterMs: 0`): it is not late. */
  takenLive = false;

  constructor(
    private readonly holder: HoldingMailbox,
    readonly message: Message,
    /** Its place in the order; another one when somebody else has written into the store before it was there. */
    public position: number,
    readonly bytes: number,
    /** What its sender is to be told; null when it was read from the disk, as that sender has the receipt. */
    readonly pendingReceipt: PendingReceipt | null,
  ) {}

  get mailbox(): MailboxKey {
    return this.holder.key;
  }

  get to(): string {
    return this.message.to;
  }

  get from(): string {
    return this.message.from;
  }

  get id(): string {
    return this.message.id;
  }

  get sentAt(): number {
    return this.message.sentAt;
  }

  get mustKeep(): boolean {
    return this.accepted;
  }

  get hasEnded(): boolean {
    return this.gone;
  }

  onSettled(outcome: StoreOutcome): void {
    this.holder.onSettled(this, outcome);
  }
}
