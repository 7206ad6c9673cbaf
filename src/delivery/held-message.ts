import type { Message } from '../protocol/message.js';
import type { MailboxKey, StoredHeader, StoredMessage, StoreOutcome, StoreRequest } from './mailbox-store.js';
import type { PendingReceipt } from './pending-receipt.js';

/**
 * Where a message is on its way to the disk:
 * - `memory`: in memory only
 * - `storing`: in memory and in the commit queue
 * - `stored`: in memory and committed
 * - `released`: committed, and no longer in memory
 * - `ending`: its life is over, and its commit, which is under way, has still to be heard of
 * - `ended`: its life is over: confirmed, refused, a repeat, or removed by the store
 */
export type HeldState = 'memory' | 'storing' | 'stored' | 'released' | 'ending' | 'ended';

/** To which states each leads. */
export const HELD_MOVES: Readonly<Record<HeldState, readonly HeldState[]>> = {
  memory: ['storing', 'ended'],
  storing: ['stored', 'memory', 'ending', 'ended'],
  stored: ['released', 'ended'],
  released: [],
  ending: ['ended'],
  ended: [],
};

/** Its mailbox, as far as a message knows it. */
interface Owner {
  readonly key: MailboxKey;
  onSettled(held: HeldMessage, outcome: StoreOutcome): void;
}

/** A message of a mailbox while it is in memory: in flight, behind others, or on its way to the disk. */
export class HeldMessage implements StoreRequest, StoredHeader {
  /**
   * It was written to a connection before it was stored, so that it is accepted and can't be refused any more. It is
   * independent of the state.
   */
  wasRelayed = false;
  /** How many connections have it in flight. */
  inFlight = 0;
  /** It had to wait for more than its own commit. */
  isDelayed = false;
  /** How many persist ticks there had been when it came: some later it is stored, unless it is confirmed. */
  acceptedAtTick = 0;

  constructor(
    private readonly owner: Owner,
    readonly message: Message,
    /** Its place in the order. It changes when somebody else has written into the store before this message was there. */
    public position: number,
    readonly bytes: number,
    /** What its sender is told; null when it was read from the disk, as that sender has the receipt. */
    readonly pendingReceipt: PendingReceipt | null,
    private current: HeldState,
  ) {}

  static fromDisk(owner: Owner, row: StoredMessage): HeldMessage {
    const held = new HeldMessage(owner, row, row.position, row.bytes, null, 'stored');
    held.isDelayed = true;
    return held;
  }

  get state(): HeldState {
    return this.current;
  }

  /** The one way to another state; throws when the table has no such way. */
  moveTo(next: HeldState): void {
    if (!HELD_MOVES[this.current].includes(next)) throw new Error(`no message goes from ${this.current} to ${next}`);
    this.current = next;
  }

  /** The mailbox has it in memory, and may write it to a connection. */
  get isHeld(): boolean {
    return this.current === 'memory' || this.current === 'storing' || this.current === 'stored';
  }

  /** Accepted: written to a connection, or committed. Until then it may be refused. */
  get isAccepted(): boolean {
    return this.wasRelayed || this.current === 'stored';
  }

  /** It is being written to a connection; returns whether that accepts it. */
  relay(): boolean {
    if (this.isAccepted) return false;
    this.wasRelayed = true;
    return true;
  }

  get mailbox(): MailboxKey {
    return this.owner.key;
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
    return this.wasRelayed;
  }

  get hasEnded(): boolean {
    return this.current === 'ending' || this.current === 'ended';
  }

  onSettled(outcome: StoreOutcome): void {
    this.owner.onSettled(this, outcome);
  }
}
