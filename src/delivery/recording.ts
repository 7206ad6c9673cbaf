import { Logger } from '@nestjs/common';
import type { ChatOptions } from '../options/chat.options.js';
import { toChatMessage } from '../protocol/chat-message.js';
import { directionOf } from '../protocol/conversation.js';
import type { Message } from '../protocol/message.js';
import type { HeldMessage } from './held-message.js';
import type { Ledger } from './ledger.js';
import type { MailboxKey, RecordPort } from './mailbox-store.js';
import { PositionClock } from './position-clock.js';

/**
 * Decides which messages are recorded, gives them their positions, and holds receipts back until their messages are in
 * the record. It is only there where something is recorded.
 */
export class Recording {
  readonly clock: PositionClock;
  private readonly logger = new Logger('Delivery');
  private readonly of: ((message: Message) => boolean) | null;
  /** Messages that were relayed, and are not in the record yet. */
  private readonly underWay = new Set<HeldMessage>();

  constructor(
    private readonly store: RecordPort,
    private readonly ledger: Pick<Ledger, 'recorded'>,
    { record, clock }: ChatOptions,
  ) {
    const { of } = record ?? {};
    this.of = of === undefined ? null : (message) => of(toChatMessage(message));
    this.clock = new PositionClock(() => clock.now());
    this.clock.pass(store.upTo);
  }

  /**
   * Returns the message with its position if it is to be recorded, which is asked once, when it is accepted; null when it
   * can't be accepted, as too much waits for the record.
   */
  placed(message: Message): Message | null {
    const { from, to, sentAt, extras } = message;
    const isLiveOnly = extras?.expiresAt === sentAt;
    if (isLiveOnly || !this.isWanted(message)) return message;
    if (this.store.isFull) return null;
    return { ...message, extras: { ...extras, position: this.clock.next(directionOf(from, to)) } };
  }

  private isWanted(message: Message): boolean {
    if (this.of === null) return true;
    try {
      return this.of(message);
    } catch (error) {
      this.logger.error(error);
      return true; // A fault of the application must not lose what was said.
    }
  }

  /** A message was written to a connection, so it can't be refused any more: it goes to the record now. */
  onRelayed(held: HeldMessage): void {
    if (held.recordState !== 'due') return;
    held.recordState = 'recording';
    this.underWay.add(held);
    this.store.add(held);
  }

  /** The message is in the record, where it has this position: that of the first one if it is a repeat. */
  onRecorded(held: HeldMessage, position: number): void {
    if (held.recordState !== 'due' && held.recordState !== 'recording') return;
    held.recordState = 'recorded';
    held.recordedAt = position;
    if (this.underWay.delete(held) && held.hasEnded) this.confirm(held);
    if (held.state === 'unrecorded') held.moveTo('ended');
    if (position === held.message.extras?.position) this.ledger.recorded.emit(held.message);
  }

  /** Its recipient has it: its sender is told when it is in the record. */
  onConfirmed(held: HeldMessage): void {
    if (held.recordState !== 'recording') this.confirm(held);
  }

  private confirm(held: HeldMessage): void {
    held.pendingReceipt?.receipted('delivered', held.sentAt, false, held.recordedAt);
    if (held.recordedAt !== undefined) this.store.markDelivered(held.to, held.from, held.recordedAt);
  }

  /** Somebody else has written into the store: what is not in the record yet has to lie behind that. */
  renumber(): void {
    this.clock.pass(this.store.upTo);
    for (const held of this.underWay) this.moveBehind(held);
  }

  /** Gives a message a new position, unless it is in the record or does not belong there. */
  moveBehind(held: HeldMessage): void {
    if (held.needsRecord) held.place(this.clock.next(directionOf(held.from, held.to)));
  }

  /** Whether a message of these mailboxes is on its way to the record. */
  hasAny(isAsked: (mailbox: MailboxKey) => boolean): boolean {
    for (const { mailbox } of this.underWay) if (isAsked(mailbox)) return true;
    return false;
  }

  /** The messages from or to a user that are on their way to the record. */
  ofUser(user: string): HeldMessage[] {
    return [...this.underWay].filter(({ from, to }) => from === user || to === user);
  }

  /** Forgets the messages that are on their way to the record, and returns those that are confirmed. */
  abandon(): HeldMessage[] {
    const confirmed = [...this.underWay].filter(({ hasEnded }) => hasEnded);
    this.underWay.clear();
    return confirmed;
  }
}
