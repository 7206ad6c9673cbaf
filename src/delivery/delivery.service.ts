import { Inject, Injectable, Logger } from '@nestjs/common';
import { Broadcast } from '../connections/broadcast.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionService } from '../connections/connection.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ChatError } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import { newId, type Message } from '../protocol/message.js';
import { PendingReceipt, IdempotencyCache, type OutcomeListener } from './pending-receipt.js';
import { Ledger, RateMeter, type LedgerTotals } from './ledger.js';
import { Mailbox, SWEEPS_TO_PERSIST } from './mailbox.js';
import type { MailboxReader } from './mailbox-reader.js';
import { MAILBOX_STORE, mailboxKeyOf, type MailboxKey, type MailboxStore } from './mailbox-store.js';
import type { MailboxContext } from './mailbox-context.js';

/** Pause before a page of the backlog that could not be read is tried again, in milliseconds. */
const READ_RETRY_MS = 250;

/** A direct message as its sender hands it in; the recipient is a valid user name. */
export interface Dispatch {
  readonly to: string;
  readonly content: string;
  /** The sender's own id for it, already checked. */
  readonly id?: string | undefined;
}

/**
 * The one place where live and stored meet: it takes messages, gives each its place in the order, and hands it to the
 * mailbox of its recipient. Senders hear through their Sender what became of it, each exactly once.
 */
@Injectable()
export class DeliveryService implements MailboxContext {
  readonly ledger: Ledger;
  sweeps = 0;
  lastPosition: number;
  private readonly logger = new Logger('Delivery');
  private readonly mailboxes = new Map<MailboxKey, Mailbox>();
  private readonly readers = new Map<Connection, { mailbox: Mailbox; reader: MailboxReader }>();
  private readonly remembered = new IdempotencyCache();
  private readonly unstored = new Set<Mailbox>();
  private readonly rateMeter: RateMeter;
  private cancelSweep: (() => void) | null = null;
  private settling: Promise<void> | null = null;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(MAILBOX_STORE) readonly store: MailboxStore,
  ) {
    this.ledger = new Ledger(store);
    this.lastPosition = store.lastPosition;
    this.rateMeter = new RateMeter(this.ledger, options.clock);
    store.removed.on((row, reason) => {
      if (reason !== 'confirmed') this.mailboxes.get(row.mailbox)?.onRemoved(row);
    });
    store.displaced.on((above, byServer) => this.renumber(above, byServer));
  }

  get ackWindow(): number {
    return this.options.ackWindow;
  }

  get persistFirst(): boolean {
    return this.options.persistAfterMs === 0;
  }

  /** True when senders should be held up until `whenRoom` calls back: the disk can't keep up, or `settle` is to come to an end. */
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

  /** Takes a direct message; the sender hears of a receipt or a refusal when it is due. */
  send(from: string, { to, content, id }: Dispatch, sender: OutcomeListener): void {
    const bytes = this.checkedBytes(content, id);
    const repeated = id === undefined ? undefined : this.remembered.find({ id, from, to });
    if (repeated) return repeated.join(sender);
    const message: Message = { id: id ?? newId(), from, to, content, sentAt: this.options.clock.now() };
    const answer = new PendingReceipt(message, sender);
    if (id !== undefined) this.remembered.add(answer);
    this.mailboxOf(mailboxKeyOf(to)).accept(message, ++this.lastPosition, bytes, answer);
  }

  /** Writes a message to everybody who is connected, its sender included; answers through the sender how many. */
  broadcast(from: string, content: string, id: string | undefined, sender: OutcomeListener): void {
    this.checkedBytes(content, id);
    const broadcast = new Broadcast(id ?? newId(), from, content, this.options.clock.now());
    this.ledger.tookBroadcast();
    let recipients = 0;
    for (const { reader } of this.readers.values()) if (reader.broadcast(broadcast, this.lastPosition)) recipients += 1;
    sender.onReceipt({ id: broadcast.id, status: 'broadcast', sentAt: broadcast.sentAt, recipients }, false);
  }

  /** Lets a connection receive: first what waited for its user, then what comes. Under `replace` the newest connection takes over. */
  attach(connection: Connection): void {
    if (this.options.sessions === 'replace') {
      for (const older of this.connections.ofUser(connection.user)) {
        if (older === connection || !this.readers.has(older)) continue;
        this.detach(older);
        older.close(CloseCode.REPLACED, 'replaced by a newer connection of the same user');
      }
    }
    const mailbox = this.mailboxOf(mailboxKeyOf(connection.user));
    this.readers.set(connection, { mailbox, reader: mailbox.attach(connection) });
  }

  /** A connection has ended: what it has not confirmed is stored. */
  detach(connection: Connection): void {
    const attached = this.readers.get(connection);
    if (!attached) return;
    this.readers.delete(connection);
    attached.mailbox.detach(attached.reader);
  }

  /** Everything up to `seq` has reached this connection; answers how many that confirms, null when no such seq was ever written to it. */
  confirm(connection: Connection, seq: number): number | null {
    const attached = this.readers.get(connection);
    // What comes late from a connection that was taken over counts no more: its messages are on their way to the next.
    return attached ? attached.mailbox.confirm(attached.reader, seq) : 0;
  }

  /** How many messages are written to this connection and not confirmed. */
  inFlight(connection: Connection): number {
    return this.readers.get(connection)?.reader.inFlightCount ?? 0;
  }

  /** How many messages wait for this user in the store; rejects when it can't be read. */
  pendingOf(user: string): Promise<number> {
    return this.store.count(mailboxKeyOf(user));
  }

  /**
   * Stores everything that is in memory only and waits until it is committed, so that every sender has its receipt.
   * Senders are held up meanwhile: a queue that many fill is never empty.
   */
  async settle(): Promise<void> {
    for (const mailbox of this.mailboxes.values()) mailbox.persist(Infinity);
    const settling = (this.settling = this.flush());
    await settling;
    if (this.settling === settling) this.settling = null;
  }

  /** Waits until what is on its way to the disk is committed, or could not be. */
  flush(): Promise<void> {
    return this.store.flush();
  }

  /** Commits what is left when all connections have ended, and stops. */
  async close(): Promise<void> {
    this.cancelSweep?.();
    this.rateMeter.stop();
    await this.store.close();
  }

  onUnstored(mailbox: Mailbox): void {
    this.unstored.add(mailbox);
    this.cancelSweep ??= this.scheduleSweep();
  }

  onReadFailed(error: unknown, retry: () => void): void {
    this.logger.error(`The store can't be read: ${String(error)}`);
    this.options.clock.after(READ_RETRY_MS, retry);
  }

  onRefused(message: Message): void {
    this.remembered.forget(message);
  }

  onRead(message: Message): void {
    if (!this.remembered.find(message)) this.remembered.add(PendingReceipt.given(message, 'stored', message.sentAt));
  }

  onIdle(mailbox: Mailbox): void {
    if (this.mailboxes.get(mailbox.key) === mailbox) this.mailboxes.delete(mailbox.key);
    this.unstored.delete(mailbox);
  }

  /** A mailbox at a time, so that each keeps its order. What another server had no position for lies where it was given. */
  private renumber(above: number, byServer: boolean): void {
    this.lastPosition = Math.max(this.lastPosition, above);
    const next = () => (this.lastPosition += 1);
    for (const mailbox of this.mailboxes.values()) mailbox.renumber(above, next, !byServer);
  }

  private mailboxOf(key: MailboxKey): Mailbox {
    let mailbox = this.mailboxes.get(key);
    if (!mailbox) this.mailboxes.set(key, (mailbox = new Mailbox(key, this)));
    return mailbox;
  }

  private checkedBytes(content: string, id: string | undefined): number {
    const bytes = Buffer.byteLength(content);
    if (bytes <= this.options.maxContentBytes) return bytes;
    throw new ChatError(
      'CONTENT_TOO_LARGE',
      `the content has ${bytes} bytes and may have ${this.options.maxContentBytes}; send it in parts`,
      { id },
    );
  }

  private scheduleSweep(): () => void {
    return this.options.clock.after(this.options.persistAfterMs / SWEEPS_TO_PERSIST, () => {
      this.sweeps += 1;
      for (const mailbox of this.unstored) {
        // One more than the sweeps of a whole `persistAfterMs`, as the first may have come at once.
        if (!mailbox.persist(this.sweeps - SWEEPS_TO_PERSIST - 1)) this.unstored.delete(mailbox);
      }
      this.cancelSweep = this.unstored.size > 0 ? this.scheduleSweep() : null;
    });
  }
}
