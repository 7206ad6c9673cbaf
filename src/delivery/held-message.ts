import type { Message } from '../protocol/message.js';
import type {
  MailboxKey,
  RecordRequest,
  StoredHeader,
  StoredMessage,
  StoreOutcome,
  StoreRequest,
} from './mailbox-store.js';
import type { PendingReceipt } from './pending-receipt.js';

/**
 * Where a message is on its way to the disk:
 * - `memory`: in memory only
 * - `storing`: in memory and in the commit queue
 * - `stored`: in memory and committed
 * - `released`: committed, and no longer in memory
 * - `ending`: its life is over, and the outcome of its commit, which is under way, is not known yet
 * - `unrecorded`: confirmed, but its commit to the record is under way, and its receipt waits for that
 * - `ended`: its life is over: confirmed, refused, a repeat, or removed by the store
 */
export type HeldState = 'memory' | 'storing' | 'stored' | 'released' | 'ending' | 'unrecorded' | 'ended';

/**
 * Where a message is on its way to the record:
 * - `none`: it is not to be recorded
 * - `due`: nobody has it in a commit to the record alone; the commit that stores it records it as well
 * - `recording`: it was relayed, and is in the commit queue for the record
 * - `recorded`: it is there
 */
export type RecordState = 'none' | 'due' | 'recording' | 'recorded';

/** The states that may follow each state. */
export const HELD_MOVES: Readonly<Record<HeldState, readonly HeldState[]>> = {
  memory: ['storing', 'unrecorded', 'ended'],
  storing: ['stored', 'memory', 'ending', 'unrecorded', 'ended'],
  stored: ['released', 'ended'],
  released: [],
  ending: ['unrecorded', 'ended'],
  unrecorded: ['ended'],
  ended: [],
};

/** The part of a mailbox that a message knows. */
interface Owner {
  readonly key: MailboxKey;
  onSettled(held: HeldMessage, outcome: StoreOutcome): void;
  onRecorded(held: HeldMessage, position: number): void;
}

/** A message of a mailbox while it is in memory: in flight, behind others, or on its way to the disk. */
export class HeldMessage implements StoreRequest, RecordRequest, StoredHeader {
  /**
   * It was written to a connection before it was stored. So it is accepted, and cannot be refused any more. This is
   * independent of the state.
   */
  wasRelayed = false;
  /** How many connections have it in flight. */
  inFlight = 0;
  /** It had to wait: in the store, or, where everything is stored first, for more than its own commit. */
  isDelayed = false;
  /** The number of persist ticks when it came. It is stored a few ticks later, unless it is confirmed. */
  acceptedAtTick = 0;
  recordState: RecordState;
  /** Where it stands in the record; undefined as long as it is not there. */
  recordedAt: number | undefined;

  constructor(
    private readonly owner: Owner,
    public message: Message,
    /** Its position in the order. It changes when somebody else writes into the store before this message is there. */
    public position: number,
    readonly bytes: number,
    /** The receipt that its sender waits for; null when it was read from the disk, as that sender has the receipt. */
    readonly pendingReceipt: PendingReceipt | null,
    private current: HeldState,
  ) {
    this.recordState = message.extras?.position === undefined ? 'none' : 'due';
  }

  static fromDisk(owner: Owner, row: StoredMessage): HeldMessage {
    const held = new HeldMessage(owner, row, row.position, row.bytes, null, 'stored');
    held.isDelayed = true;
    held.recordedAt = row.extras?.position;
    if (held.recordedAt !== undefined) held.recordState = 'recorded';
    return held;
  }

  get state(): HeldState {
    return this.current;
  }

  /** The only way to another state; throws when the table does not allow it. */
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

  /** It goes to who is there now or to nobody, and is never stored: its sender gave a `ttl` of 0. */
  get isLiveOnly(): boolean {
    return this.message.extras?.expiresAt === this.message.sentAt;
  }

  get topic(): string | undefined {
    return this.message.extras?.topic;
  }

  /** Its `ttl` is over, so it is written to nobody any more. */
  hasExpired(clock: { now(): number }): boolean {
    const expiresAt = this.message.extras?.expiresAt;
    return expiresAt !== undefined && expiresAt < clock.now();
  }

  /** It is in memory only, or nobody knows yet what became of a commit. */
  get isUncommitted(): boolean {
    const { current, recordState } = this;
    return current === 'memory' || current === 'storing' || current === 'ending' || recordState === 'recording';
  }

  /** It belongs into the record, and is not known to be there. */
  get needsRecord(): boolean {
    return this.recordState === 'due' || this.recordState === 'recording';
  }

  /** Another message has its position in the record: it gets this one. */
  place(position: number): void {
    this.message = { ...this.message, extras: { ...this.message.extras, position } };
  }

  /** It is committed, and in flight to nobody. */
  get isWaiting(): boolean {
    return this.current === 'stored' && this.inFlight === 0;
  }

  /** Notes that it is written to a connection; returns whether that accepts it. */
  relay(): boolean {
    if (this.isAccepted) return false;
    this.wasRelayed = true;
    return !this.isLiveOnly; // It can't be stored, so it is accepted when it is confirmed.
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
    return this.current === 'ending' || this.current === 'unrecorded' || this.current === 'ended';
  }

  /** Returns its row if it was confirmed while it was being stored: its sender was told `delivered` already. */
  deliveredRow(): StoredHeader {
    const { mailbox, position, from, id, to, bytes, sentAt } = this;
    return { mailbox, position, from, id, to, bytes, sentAt, wasDeliveredFirst: true };
  }

  onSettled(outcome: StoreOutcome): void {
    this.owner.onSettled(this, outcome);
  }

  onRecorded(position: number): void {
    this.owner.onRecorded(this, position);
  }
}
