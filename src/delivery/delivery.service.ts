import { Inject, Injectable } from '@nestjs/common';
import { Broadcast } from '../connections/broadcast.js';
import { ConnectionService } from '../connections/connection.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { errors } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import { newId, type Message } from '../protocol/message.js';
import { extrasOf } from '../protocol/message-extras.js';
import type { News } from '../protocol/news.js';
import { checkSize, sizeOf, type CheckedRequest } from '../protocol/send-request.js';
import type { Signal } from '../protocol/signal.js';
import { Delivery } from './delivery.js';
import { IdempotencyCache } from './idempotency-cache.js';
import { Ledger, RateMeter, type LedgerTotals } from './ledger.js';
import { Mailbox } from './mailbox.js';
import { MailboxContext } from './mailbox-context.js';
import type { MailboxReader } from './mailbox-reader.js';
import {
  MAILBOX_STORE,
  mailboxKeyOf,
  type MailboxKey,
  type MailboxStore,
  type PositionBlock,
} from './mailbox-store.js';
import { Recording } from './recording.js';
import { PendingReceipt, type OutcomeListener } from './pending-receipt.js';
import { isNewer, type Receiver } from './receiver.js';
import { flushWhile, pause, persistOf, unsettledOf, untilConfirmed, type Unsettled } from './release.js';

const REPLACED = 'replaced by a newer connection of the same user';
const NOBODY: ReadonlySet<MailboxReader> = new Set();

/**
 * The one place where live and stored meet: it accepts messages, gives each its position in the order, and hands it to
 * the mailbox of its recipient. Each sender gets one receipt or one refusal. What its methods promise is said in
 * Delivery.
 */
@Injectable()
export class DeliveryService extends Delivery {
  readonly ledger: Ledger;
  private context: MailboxContext;
  private readonly mailboxes = new Map<MailboxKey, Mailbox>();
  private readonly readers = new Map<Receiver, { mailbox: Mailbox; reader: MailboxReader }>();
  private readonly repeats = new IdempotencyCache();
  /** Null where nothing is recorded. */
  readonly recording: Recording | null;
  private readonly rateMeter: RateMeter;
  private settling: Promise<void> | null = null;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(MAILBOX_STORE) private readonly store: MailboxStore,
  ) {
    super();
    this.ledger = new Ledger(store);
    this.rateMeter = new RateMeter(this.ledger, options.clock);
    this.recording = store.record && new Recording(store.record, this.ledger, options);
    this.context = this.newContext();
    store.removed.on((row, reason) => {
      if (reason !== 'confirmed') this.mailboxes.get(row.mailbox)?.onRemoved(row);
    });
    store.spare.on((row, reason) => {
      if (this.mailboxes.get(row.mailbox)?.isInFlight(row) !== true) store.remove(row, reason);
    });
    store.displaced.on((above, byServer) => this.renumber(above, byServer));
    connections.disconnected.on(({ user, lastSeenAt }) => store.lastSeen.note(user, lastSeenAt));
  }

  /** True when senders should be held up until `whenRoom` calls back: the disk can't keep up, or `settle` is to end. */
  get isFull(): boolean {
    return this.settling !== null || this.store.isFull;
  }

  whenRoom(callback: () => void): void {
    if (this.settling) void this.settling.then(callback);
    else this.store.whenRoom(callback);
  }

  get totals(): LedgerTotals {
    return this.ledger.totals();
  }

  /** Messages per second, over the last minute at most. */
  rates(): { acceptedPerSecond: number; confirmedPerSecond: number } {
    return this.rateMeter.rates();
  }

  send(request: CheckedRequest, listener: OutcomeListener): void {
    const { from, to, content, id } = request;
    const bytes = checkSize(request, this.options);
    const sentAt = this.options.clock.now();
    const extras = extrasOf(request, sentAt, this.options.retentionMs);
    if (to === undefined) return this.broadcast(new Broadcast(id ?? newId(), from, content, sentAt, extras), listener);
    const message: Message = { id: id ?? newId(), from, to, content, sentAt, extras };
    const receipt = id === undefined ? new PendingReceipt(message, listener) : this.repeats.accept(message, listener);
    if (receipt) this.accept(message, bytes, receipt);
  }

  /** Accepts a direct message that another process has made of its sender's request, and checked. */
  take(message: Message, listener: OutcomeListener): void {
    const receipt = this.repeats.accept(message, listener);
    if (receipt) this.accept(message, sizeOf({ content: message.content, metaText: message.extras?.meta }), receipt);
  }

  private accept(message: Message, bytes: number, receipt: PendingReceipt): void {
    const { context, recording } = this;
    if (context.positionsLeft <= 0) return receipt.refused(errors.notStored(new Error('no positions are left')));
    const placed = recording ? recording.placed(message) : message;
    if (placed === null) return receipt.refused(errors.notStored(new Error('too much waits for the record')));
    this.mailboxOf(mailboxKeyOf(message.to)).accept(placed, context.nextPosition(), bytes, receipt);
  }

  /**
   * Writes a message to everybody who is connected, its sender included. The receipt says to how many connections it
   * was written, or for how many it is kept behind a backlog.
   */
  private broadcast(broadcast: Broadcast, listener: OutcomeListener): void {
    this.ledger.countBroadcast();
    let recipients = 0;
    for (const { mailbox, reader } of this.readers.values()) if (mailbox.broadcast(reader, broadcast)) recipients += 1;
    listener.onReceipt({ id: broadcast.id, status: 'broadcast', sentAt: broadcast.sentAt, recipients }, false);
  }

  /** Writes a broadcast to a connection, or keeps it behind its backlog; returns false when it gets none. */
  broadcastTo(receiver: Receiver, broadcast: Broadcast): boolean {
    const attached = this.readers.get(receiver);
    return attached?.mailbox.broadcast(attached.reader, broadcast) ?? false;
  }

  signal(signal: Signal): Promise<number> {
    let written = 0;
    for (const { isUpToDate, receiver } of this.readersOf(signal.to)) {
      if (isUpToDate && receiver.writeSignal(signal)) written += 1;
    }
    this.ledger.signals.add(written > 0 ? 'written' : 'dropped');
    return Promise.resolve(written);
  }

  hears(user: string): boolean {
    return this.readersOf(user).size > 0;
  }

  tell(user: string, news: News): void {
    for (const reader of this.readersOf(user)) reader.tell(news);
  }

  /**
   * Its messages are numbered from `firstSeq` on. Under `replace` the newest connection of a user takes over, also when
   * an older one attaches after it.
   */
  attach(receiver: Receiver, firstSeq = 1): void {
    if (this.options.sessions === 'replace' && !this.takeOver(receiver)) {
      return receiver.close(CloseCode.REPLACED, REPLACED);
    }
    const mailbox = this.mailboxOf(mailboxKeyOf(receiver.user));
    this.readers.set(receiver, { mailbox, reader: mailbox.attach(receiver, firstSeq) });
  }

  /** Closes the older connections of its user, unless there is a newer one: then it returns false. */
  private takeOver(receiver: Receiver): boolean {
    const others = [...this.readersOf(receiver.user)].map((reader) => reader.receiver);
    if (others.some((other) => isNewer(other, receiver))) return false;
    for (const older of others) {
      this.detach(older);
      older.close(CloseCode.REPLACED, REPLACED);
    }
    return true;
  }

  detach(receiver: Receiver): void {
    const attached = this.readers.get(receiver);
    if (!attached) return;
    this.readers.delete(receiver);
    attached.mailbox.detach(attached.reader);
  }

  confirm(receiver: Receiver, seq: number): number | null {
    const attached = this.readers.get(receiver);
    // An ack of a connection that was replaced no longer counts: its messages are on their way to the next one.
    return attached ? attached.mailbox.confirm(attached.reader, seq) : 0;
  }

  inFlight(receiver: Receiver): number {
    return this.readers.get(receiver)?.reader.inFlightCount ?? 0;
  }

  pendingOf(user: string): Promise<number> {
    return this.store.count(mailboxKeyOf(user));
  }

  async lastSeenOf(user: string): Promise<number | null> {
    return this.connections.lastSeenAt(user) ?? this.store.lastSeen.of(user);
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Stores everything that is in memory only and waits until it is committed, so that every sender has its receipt.
   * Senders are held up meanwhile: a queue that many fill is never empty.
   */
  async settle(): Promise<void> {
    for (const mailbox of this.mailboxes.values()) mailbox.persist(this.context.ticks.count);
    const settling = (this.settling = this.flush());
    await settling;
    if (this.settling === settling) this.settling = null;
  }

  /** Stores or ends what is in memory from or to a user, and waits until that is committed. Rejects when aborted. */
  async settleUser(user: string, signal: AbortSignal): Promise<void> {
    const held = persistOf(user, this.mailboxes.values(), this.context.ticks.count, this.recording?.ofUser(user));
    await flushWhile(() => held.some(({ isUncommitted }) => isUncommitted), this.store, this.options.clock, signal);
  }

  /** Waits until what is on its way to the disk is committed, or could not be. */
  flush(): Promise<void> {
    return this.store.flush();
  }

  /** How many messages may be accepted before `takeBlock`; Infinity with one server. */
  get positionsLeft(): number {
    return this.context.positionsLeft;
  }

  /**
   * Gives the positions of this block from now on, which has to lie above what was given here, and is drawn after the
   * mailboxes were acquired: what an earlier home has stored lies below it.
   */
  takeBlock(block: PositionBlock): void {
    this.context.takeBlock(block);
    this.recording?.clock.pass(block.recordedUpTo ?? 0);
  }

  /**
   * Hands mailboxes over to another process, and resolves when all that they had in memory is committed. Nothing may be
   * sent to them any more. What is in flight may be confirmed meanwhile, for a bounded time; then their receivers are
   * detached and told.
   */
  async release(isReleased: (mailbox: MailboxKey) => boolean): Promise<void> {
    const released = [...this.mailboxes.values()].filter(({ key }) => isReleased(key));
    for (const mailbox of released) mailbox.leave();
    await untilConfirmed(released, this.options);
    for (const { receiver } of released.flatMap(({ readers }) => [...readers])) {
      this.detach(receiver);
      receiver.onReleased?.();
    }
    // Not `flush`, which may never end while messages of others come. What was relayed is stored again when that fails.
    const isHeld = () => released.some((mailbox) => this.mailboxes.get(mailbox.key) === mailbox);
    while (isHeld() || this.recording?.hasAny(isReleased)) await pause(this.options.clock);
  }

  /**
   * Drops all mailboxes, as others have them: nothing more of them is stored, refused or told. Returns the messages
   * without an outcome, in order, to be sent again. Nothing can be accepted before `takeBlock`.
   */
  abandon(): Unsettled[] {
    const held = [...this.mailboxes.values()].flatMap((mailbox) => [...mailbox.abandon()]);
    held.push(...(this.recording?.abandon() ?? [])); // Confirmed, but in no record: sent again, they are.
    const { lastPosition } = this.context;
    this.context.abandon();
    this.mailboxes.clear();
    this.readers.clear();
    this.ledger.handOver();
    this.context = this.newContext();
    this.context.takeBlock({ above: lastPosition, upTo: lastPosition });
    return unsettledOf(held);
  }

  async close(): Promise<void> {
    this.context.ticks.stop();
    this.rateMeter.stop();
    await this.store.close();
  }

  private newContext(): MailboxContext {
    const { options, store, ledger, repeats, recording } = this;
    return new MailboxContext(options, store, ledger, repeats, recording, (mailbox) => {
      if (this.mailboxes.get(mailbox.key) === mailbox) this.mailboxes.delete(mailbox.key);
    });
  }

  /** Each mailbox is renumbered as a whole, in order. What is in flight keeps positions that only we were given. */
  private renumber(above: number, byServer: boolean): void {
    this.context.lastPosition = Math.max(this.context.lastPosition, above);
    this.recording?.renumber();
    for (const mailbox of this.mailboxes.values()) mailbox.renumber(above, !byServer);
  }

  private readersOf(user: string): ReadonlySet<MailboxReader> {
    return this.mailboxes.get(mailboxKeyOf(user))?.readers ?? NOBODY;
  }

  private mailboxOf(key: MailboxKey): Mailbox {
    let mailbox = this.mailboxes.get(key);
    if (!mailbox) this.mailboxes.set(key, (mailbox = new Mailbox(key, this.context)));
    return mailbox;
  }
}
