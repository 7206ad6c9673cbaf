import type { Broadcast } from '../connections/broadcast.js';
import type { Message } from '../protocol/message.js';
import type { HeldMessage } from './held-message.js';

/** Content that may be in flight to one connection, in bytes; one message always may. Past it the rest waits in the store. */
export const WINDOW_BYTES = 256 * 1024;
/** The most messages that a page has; with more of them a statement would be no cheaper for each. */
const PAGE_ROWS = 1_024;
/** Broadcasts kept for a connection that is behind; more are not, as a broadcast is at most once. */
const HELD_BROADCASTS = 256;

/** Who receives the messages of a mailbox: a connection. */
export interface Receiver {
  readonly isOpen: boolean;
  /** Comes before all else. `pending` messages wait in the store; null when the disk did not say. */
  onOpened(pending: number | null): void;
  /** `late`: the message had to wait. */
  onMessage(message: Message, seq: number, late: boolean): void;
  /** Answers false when it takes no more broadcasts for now. */
  onBroadcast(broadcast: Broadcast): boolean;
  onCaughtUp(delivered: number): void;
}

/** One connection that reads a mailbox: how far it has come, and what it has not confirmed. */
export class MailboxReader {
  /** Position of the last message that was written to it. */
  cursor = 0;
  /** Every message of the mailbox up to this position is in memory or was written; Infinity when nothing of it is on the disk alone. */
  knownUpTo = 0;
  /** A page of the backlog is being read for it. */
  reading = false;
  attached = true;
  /** How many messages the next page may have. */
  pageRows: number;
  /** It was told how much waits for it. */
  isOpened = false;
  /** Something of the mailbox waits to be written to it. */
  private behind = true;
  private caughtUp = false;
  private backlogWritten = 0;
  private nextSeq = 1;
  private inFlightBytes = 0;
  private inFlight: HeldMessage[] = [];
  private broadcasts: { message: Broadcast; after: number }[] = [];

  constructor(
    readonly receiver: Receiver,
    private readonly window: number,
    /** Position of the last message that was accepted before it came. */
    private readonly backlogUpTo: number,
  ) {
    this.pageRows = Math.min(window, PAGE_ROWS);
  }

  /** The newest message needs no disk to get to it: it is live. While a page is read something waits before it. */
  get isLive(): boolean {
    return this.knownUpTo === Infinity && !this.reading;
  }

  /** How many more messages may be written before one is confirmed. */
  get room(): number {
    return this.inFlightBytes >= WINDOW_BYTES ? 0 : this.window - this.inFlight.length;
  }

  get inFlightCount(): number {
    return this.inFlight.length;
  }

  /** After a page of so many messages the next may have twice as many: where they are large a page has few, and a look at more is in vain. */
  sizePages(rows: number): void {
    this.pageRows = Math.min(2 * rows, PAGE_ROWS);
  }

  /** Tells the receiver, once, how much waits for it; null when the disk did not say. */
  open(pending: number | null): void {
    if (!this.isOpened) this.receiver.onOpened(pending);
    this.isOpened = true;
  }

  /** Whether this connection was there when the message was taken. */
  cameBefore({ position }: HeldMessage): boolean {
    return position > this.backlogUpTo;
  }

  write(held: HeldMessage, late: boolean): void {
    if (this.cameBefore(held)) this.sayCaughtUp();
    if (!this.caughtUp) this.backlogWritten += 1;
    this.flushBroadcasts(held.position);
    this.cursor = held.position;
    held.inFlight += 1;
    this.inFlight.push(held);
    this.inFlightBytes += held.bytes;
    this.receiver.onMessage(held.message, this.nextSeq++, late);
  }

  /** Takes out what this seq confirms, which is everything up to it; null when no message with it was written. */
  confirm(seq: number): HeldMessage[] | null {
    if (seq >= this.nextSeq) return null;
    const confirmed = this.inFlight.splice(0, Math.max(0, seq - (this.nextSeq - 1 - this.inFlight.length)));
    this.leave(confirmed);
    return confirmed;
  }

  /** Ends it: nothing is in flight to it any more. */
  detach(): void {
    this.attached = false;
    this.leave(this.inFlight);
    this.inFlight = [];
  }

  /** Writes a broadcast, or keeps it in its place behind what waits; answers false when it does neither. `after` is the last position given. */
  broadcast(message: Broadcast, after: number): boolean {
    if (!this.behind) return this.receiver.onBroadcast(message);
    if (this.broadcasts.length >= HELD_BROADCASTS) return false;
    this.broadcasts.push({ message, after });
    return true;
  }

  /** A message could not be written to it at once. */
  fellBehind(): void {
    this.behind = true;
  }

  /**
   * Messages that are not on the disk have new positions: `placeOf` answers the one up to which an earlier one reaches now.
   * What somebody else has put behind the last message that was written is read.
   */
  onRenumbered(placeOf: (position: number) => number): void {
    this.cursor = placeOf(this.cursor);
    this.broadcasts = this.broadcasts.map(({ message, after }) => ({ message, after: placeOf(after) }));
    this.knownUpTo = Math.min(this.knownUpTo, this.cursor);
  }

  /** Nothing of the mailbox waits any more. */
  hasCaughtUp(): void {
    this.behind = false;
    this.sayCaughtUp();
    this.flushBroadcasts(Infinity);
  }

  private sayCaughtUp(): void {
    if (this.caughtUp) return;
    this.caughtUp = true;
    this.receiver.onCaughtUp(this.backlogWritten);
  }

  /** Writes the kept broadcasts that came before this position. */
  private flushBroadcasts(before: number): void {
    while (this.broadcasts.length > 0 && this.broadcasts[0]!.after < before) {
      this.receiver.onBroadcast(this.broadcasts.shift()!.message);
    }
  }

  private leave(messages: readonly HeldMessage[]): void {
    for (const held of messages) {
      held.inFlight -= 1;
      this.inFlightBytes -= held.bytes;
    }
  }
}
