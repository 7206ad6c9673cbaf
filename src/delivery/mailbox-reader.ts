import type { Broadcast } from '../connections/broadcast.js';
import type { Clock } from '../options/clock.js';
import type { News } from '../protocol/news.js';
import type { HeldMessage } from './held-message.js';
import type { MailboxKey, MailboxStore, Page, StoredMessage } from './mailbox-store.js';
import type { Receiver } from './receiver.js';

/** Content that may be in flight to one connection, in bytes; one message always may. The rest waits in the store. */
export const WINDOW_BYTES = 256 * 1024;
/** The most messages of one page. More would not make a statement cheaper for each message. */
const PAGE_ROWS = 1_024;
/** Broadcasts kept for a connection that is behind. No more are kept, as a broadcast is delivered at most once. */
const KEPT_BROADCASTS = 256;

/**
 * What a reader still needs from the disk:
 * - `opening`: it is not known yet how much waits; the first page is being read
 * - `draining`: some of what it has yet to get may be on the disk only
 * - `reading`: the same, and a page is being read
 * - `paused`: the same, and a page could not be read; it is tried again after a pause
 * - `live`: everything that it has yet to get is in memory
 * - `leaving`: it gets nothing any more here, and may still confirm what it has
 * - `detached`: it gets nothing any more, and nothing is in flight to it
 */
export type ReaderState = 'opening' | 'draining' | 'reading' | 'paused' | 'live' | 'leaving' | 'detached';

/** The states that may follow each state. */
export const READER_MOVES: Readonly<Record<ReaderState, readonly ReaderState[]>> = {
  opening: ['draining', 'paused', 'live', 'leaving', 'detached'],
  draining: ['reading', 'live', 'leaving', 'detached'],
  reading: ['draining', 'paused', 'leaving', 'detached'],
  paused: ['draining', 'leaving', 'detached'],
  live: ['draining', 'leaving', 'detached'],
  leaving: ['detached'],
  detached: [],
};

/** One connection that reads a mailbox: how far it has come, and what it has not confirmed. */
export class MailboxReader {
  /** Position of the last message that was written to it. */
  cursor = 0;
  /** How many messages the next page may have. */
  private pageRows: number;
  private current: ReaderState = 'opening';
  /** What lies above this position may be on the disk only; null when nothing is, or while that is being read. */
  private knownUpTo: number | null = null;
  /** The receiver knows that it has got all that waited before it came. */
  private isCaughtUp = false;
  private backlogWritten = 0;
  private inFlightBytes = 0;
  private inFlight: HeldMessage[] = [];
  /** When the oldest of these was written, or the last confirmation came if that is later, by the monotonic clock. */
  private movedAt = 0;
  private broadcasts: { broadcast: Broadcast; after: number }[] = [];

  constructor(
    readonly receiver: Receiver,
    private readonly window: number,
    /** Position of the last message that was accepted before it came. */
    private readonly backlogUpTo: number,
    private readonly clock: Pick<Clock, 'monotonic'>,
    /** The seq of the next message. It goes on where another reader of the same connection has ended. */
    private nextSeq = 1,
  ) {
    this.pageRows = Math.min(window, PAGE_ROWS);
  }

  get state(): ReaderState {
    return this.current;
  }

  /** The only way to another state; throws when the table does not allow it. */
  moveTo(next: ReaderState): void {
    if (!READER_MOVES[this.current].includes(next)) throw new Error(`no reader goes from ${this.current} to ${next}`);
    this.current = next;
  }

  /** It may be written to: it does not wait for a page, and its window has room. */
  get isReady(): boolean {
    return (this.current === 'live' || this.current === 'draining') && this.room > 0 && this.receiver.isOpen;
  }

  /** How many more messages may be written before one is confirmed. */
  get room(): number {
    return this.inFlightBytes >= WINDOW_BYTES ? 0 : this.window - this.inFlight.length;
  }

  private get isOver(): boolean {
    return this.current === 'leaving' || this.current === 'detached';
  }

  /** All that it has to get was written to it, except what the disk has yet to take. */
  get isUpToDate(): boolean {
    return this.current === 'live' && this.isReady;
  }

  /** A page is worth its statement when there is room for half a window. */
  get hasRoomForPage(): boolean {
    return this.room * 2 >= this.window;
  }

  private get isHalfFull(): boolean {
    return this.inFlight.length * 2 >= this.window || this.inFlightBytes * 2 >= WINDOW_BYTES;
  }

  get inFlightCount(): number {
    return this.inFlight.length;
  }

  /** It has something to confirm, and has not been silent about it for this many milliseconds. */
  isConfirming(withinMs: number): boolean {
    return this.inFlight.length > 0 && this.clock.monotonic() - this.movedAt < withinMs;
  }

  /** Nothing was ever stored for anybody, so nothing has to be read: it is live at once. */
  openEmpty(): void {
    this.receiver.onOpened(0);
    this.moveTo('live');
  }

  /**
   * Reads the next page up to a position, or the first page while it is opening, and passes the messages to `keep`.
   * Rejects when the disk cannot be read, and is paused until `resume`. After `leave` or `detach` it does neither.
   */
  async readPage(
    store: MailboxStore,
    mailbox: MailboxKey,
    upTo: number,
    keep: (rows: readonly StoredMessage[]) => void,
  ): Promise<void> {
    const after = this.beginPage();
    try {
      const { rows, isLast } = await (this.current === 'opening'
        ? this.readFirstPage(store, mailbox, upTo)
        : store.page(mailbox, after, upTo, this.pageRows));
      if (this.isOver) return;
      keep(rows);
      // A full page is followed by one of up to twice its size. Pages of large messages are short, and stay so.
      if (!isLast) this.pageRows = Math.min(2 * rows.length, PAGE_ROWS);
      this.endPage('draining', isLast ? upTo : rows.at(-1)!.position);
    } catch (error) {
      if (this.isOver) return;
      if (this.state === 'opening') this.receiver.onOpened(null);
      this.endPage('paused', after);
      throw error;
    }
  }

  private async readFirstPage(store: MailboxStore, mailbox: MailboxKey, upTo: number): Promise<Page> {
    const page = await store.firstPage(mailbox, upTo, this.pageRows);
    if (this.current === 'opening') this.receiver.onOpened(page.pending);
    return page;
  }

  /** Returns the position above which the page begins. The page may lack what is released meanwhile. */
  private beginPage(): number {
    const after = this.knownUpTo ?? 0; // Positions begin at 1.
    if (this.current !== 'opening') this.moveTo('reading');
    this.knownUpTo = null;
    return after;
  }

  /** Everything up to this position is in memory, except what was released meanwhile. */
  private endPage(next: 'draining' | 'paused', upTo: number): void {
    this.moveTo(next);
    this.readAgainAfter(upTo);
  }

  /** The pause after a failed read is over. */
  resume(): void {
    if (this.current === 'paused') this.moveTo('draining');
  }

  /** All messages up to this position are in memory, or were written. */
  hasRead(position: number): boolean {
    return this.knownUpTo === null || position <= this.knownUpTo;
  }

  /** What lies above this position may be on the disk only, and has to be read. */
  readAgainAfter(position: number): void {
    if (this.hasRead(position)) this.knownUpTo = position;
    if (this.current === 'live') this.moveTo('draining');
  }

  /** Nothing is on the disk only any more. */
  goLive(): void {
    this.moveTo('live');
    this.knownUpTo = null;
  }

  /** Whether this connection was there when the message was accepted. */
  cameBefore({ position }: HeldMessage): boolean {
    return position > this.backlogUpTo;
  }

  /** It does not get this message, which has expired. */
  skip({ position }: HeldMessage): void {
    this.cursor = position;
  }

  write(held: HeldMessage): void {
    const wasThere = this.cameBefore(held);
    if (wasThere) this.notifyCaughtUp();
    if (!this.isCaughtUp) this.backlogWritten += 1;
    this.flushBroadcasts(held.position);
    this.cursor = held.position;
    held.inFlight += 1;
    if (this.inFlight.length === 0) this.movedAt = this.clock.monotonic();
    this.inFlight.push(held);
    this.inFlightBytes += held.bytes;
    const isDelayed = held.isDelayed || !wasThere;
    const isAwaited = isDelayed || this.isHalfFull || (held.pendingReceipt?.isAwaited ?? false);
    this.receiver.onMessage(held.message, this.nextSeq++, isDelayed, isAwaited);
  }

  /**
   * Removes and returns all that is in flight up to this seq; returns null when no message with it was written. What was
   * written to the connection before it was attached here is not in flight here.
   */
  confirm(seq: number): HeldMessage[] | null {
    if (seq >= this.nextSeq) return null;
    const confirmed = this.inFlight.splice(0, Math.max(0, seq - (this.nextSeq - 1 - this.inFlight.length)));
    this.removeInFlight(confirmed);
    if (confirmed.length > 0) this.movedAt = this.clock.monotonic();
    return confirmed;
  }

  /** Its connection is closing, or its user's home moves. Broadcasts that it keeps are written, as none is stored. */
  leave(): void {
    if (this.current === 'leaving' || this.current === 'detached') return;
    this.moveTo('leaving');
    this.writeKeptBroadcasts();
  }

  /** Ends it: nothing is in flight to it any more. */
  detach(): void {
    this.moveTo('detached');
    this.removeInFlight(this.inFlight);
    this.inFlight = [];
  }

  /** Tells news. An echo is not told before what came earlier, nor to the connection that has sent the message. */
  tell(news: News): void {
    if ('echo' in news && !(this.isUpToDate && news.echo.extras?.origin !== this.receiver.id)) return;
    this.receiver.writeNews(news);
  }

  /**
   * Writes a broadcast, or keeps it while messages wait to be written before it; returns false when it does neither.
   * `after` is the position of the last message that was accepted before it.
   */
  broadcast(broadcast: Broadcast, after: number, isBehind: boolean): boolean {
    if (!this.receiver.isOpen) return false; // Its socket is closing, and the close event has still to come.
    const isNext = this.current === 'leaving' || (!isBehind && this.broadcasts.length === 0);
    if (isNext) return this.receiver.onBroadcast(broadcast);
    if (this.broadcasts.length >= KEPT_BROADCASTS) return false;
    this.broadcasts.push({ broadcast, after });
    return true;
  }

  /**
   * Messages that are not on the disk have new positions; `newPosition` maps an earlier position to the one that stands
   * for it now. What somebody else has stored above the last message that was written has to be read.
   */
  onRenumbered(newPosition: (position: number) => number): void {
    this.cursor = newPosition(this.cursor);
    this.broadcasts = this.broadcasts.map(({ broadcast, after }) => ({ broadcast, after: newPosition(after) }));
    this.readAgainAfter(this.cursor);
  }

  /** All of the mailbox was written. */
  onAllWritten(): void {
    this.notifyCaughtUp();
    if (this.broadcasts.length > 0) this.writeKeptBroadcasts();
  }

  private writeKeptBroadcasts(): void {
    for (const { broadcast } of this.broadcasts.splice(0)) this.receiver.onBroadcast(broadcast);
  }

  private notifyCaughtUp(): void {
    if (this.isCaughtUp) return;
    this.isCaughtUp = true;
    this.receiver.onCaughtUp(this.backlogWritten);
  }

  /** Writes the kept broadcasts that came before the message at this position. */
  private flushBroadcasts(position: number): void {
    while (this.broadcasts.length > 0 && this.broadcasts[0]!.after < position) {
      this.receiver.onBroadcast(this.broadcasts.shift()!.broadcast);
    }
  }

  private removeInFlight(messages: readonly HeldMessage[]): void {
    for (const held of messages) {
      held.inFlight -= 1;
      this.inFlightBytes -= held.bytes;
    }
  }
}
