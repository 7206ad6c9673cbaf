import type { Broadcast } from '../connections/broadcast.js';
import type { Connection } from '../connections/connection.js';
import type { Receiver } from '../delivery/receiver.js';
import type { Moment } from '../options/clock.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Message } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';
import { slotOf } from '../offline-messages/slot.js';
import type { Link } from './link.js';

/** Broadcasts kept for a connection that has not got its backlog yet. */
const KEPT_BROADCASTS = 256;

/**
 * How far the client is:
 * - `opening`: it has no welcome yet
 * - `draining`: it gets what waited before it came
 * - `live`: it was told that it has all of that
 */
type Progress = 'opening' | 'draining' | 'live';

/** Where it reads: in this process, or over a link under a number. */
export type AttachedTo = 'here' | { readonly link: Link; readonly n: number };

/**
 * The place of a connection in the mailbox of its user, wherever that is. For a home in this process it is the receiver;
 * what another home writes comes by frames. Its messages are numbered on when the home changes, and the client is
 * welcomed once.
 */
export class Attachment implements Receiver {
  readonly slot: number;
  /** Null while no home reads for it. */
  attachedTo: AttachedTo | null = null;
  private progress: Progress = 'opening';
  /** The last message that was written to the client. */
  private lastSeq = 0;
  /** The last message that the client has confirmed. */
  confirmedSeq = 0;
  /** How many messages earlier homes have written. */
  private writtenBefore = 0;
  private broadcasts: Broadcast[] = [];

  constructor(
    readonly connection: Connection,
    readonly opened: Moment,
    /** When it began to look for a home, by the monotonic clock. */
    readonly since: number,
    /** Called when a home in this process does not read for it any more. */
    readonly onReleased: () => void,
  ) {
    this.slot = slotOf(connection.user);
  }

  get id(): string {
    return this.connection.id;
  }

  get user(): string {
    return this.connection.user;
  }

  get isOpen(): boolean {
    return this.connection.isOpen;
  }

  get isWelcomed(): boolean {
    return this.progress !== 'opening';
  }

  get inFlight(): number {
    return this.lastSeq - this.confirmedSeq;
  }

  /** A home reads for it from now on; returns the seq of the first message that it writes. */
  attach(to: AttachedTo): number {
    this.attachedTo = to;
    this.writtenBefore = this.lastSeq;
    return this.lastSeq + 1;
  }

  onOpened(pending: number | null): void {
    if (this.progress !== 'opening') return;
    this.progress = 'draining';
    this.connection.onOpened(pending);
  }

  onMessage(message: Message, seq: number, delayed: boolean, isAwaited: boolean): void {
    if (!this.isOpen) return; // It was on the way when the connection was closed, and comes to the next one.
    this.lastSeq = seq;
    this.connection.onMessage(message, seq, delayed, isAwaited);
  }

  onCaughtUp(delivered: number): void {
    if (this.progress === 'live') return;
    this.progress = 'live';
    this.connection.onCaughtUp(this.writtenBefore + delivered);
    for (const broadcast of this.broadcasts.splice(0)) this.connection.onBroadcast(broadcast);
  }

  /** Returns whether it was written, or is kept until the client has got what waited for it. */
  onBroadcast(broadcast: Broadcast): boolean {
    if (this.progress === 'live') return this.connection.onBroadcast(broadcast);
    if (!this.isOpen || this.broadcasts.length >= KEPT_BROADCASTS) return false;
    this.broadcasts.push(broadcast);
    return true;
  }

  writeSignal(signal: Signal): boolean {
    return this.connection.writeSignal(signal);
  }

  writeNews(news: News): void {
    this.connection.writeNews(news);
  }

  /** Its home ends it: a newer connection has replaced it, or an administrator closes it. */
  close(code: number, reason: string): void {
    this.attachedTo = null;
    this.connection.close(code, reason);
  }

  /** No home could be reached for so long that the client had better try another node. */
  giveUp(): void {
    this.connection.close(CloseCode.SLOW_CONSUMER, 'the mailbox cannot be reached; reconnect later');
  }

  /** Returns how many messages this confirms; null when no message with this seq was ever written. */
  confirm(seq: number): number | null {
    if (seq > this.lastSeq) return null;
    const confirmed = Math.max(0, seq - this.confirmedSeq);
    this.confirmedSeq += confirmed;
    return confirmed;
  }
}
