import type { Broadcast } from '../connections/broadcast.js';
import type { Message } from '../protocol/message.js';
import { HeldMessage } from './held-message.js';
import { Handover } from './handover.js';
import { HeldMessages, messageKeyOf } from './held-messages.js';
import type { MailboxContext } from './mailbox-context.js';
import { MailboxReader } from './mailbox-reader.js';
import type { MailboxKey, StoredKey, StoredMessage, StoreOutcome } from './mailbox-store.js';
import { MessageEnds } from './message-ends.js';
import type { PendingReceipt } from './pending-receipt.js';
import type { Receiver } from './receiver.js';

/**
 * All that is in flight or pending for one user, in order. It alone decides whether a message is relayed or stored, and
 * when a confirmed one is removed from the store. The store itself expires, purges and evicts. It exists only while its
 * user is connected, or a message for them is in memory.
 *
 * | its connection is         | a new message                                                                        |
 * | ------------------------- | ------------------------------------------------------------------------------------ |
 * | absent                    | is stored                                                                            |
 * | opening                   | stays in memory, up to one window; what exceeds it is stored                         |
 * | draining, reading, paused | is stored, behind the backlog                                                        |
 * | live                      | is written at once; is stored when the window is full, or when no confirmation comes |
 *
 * With several connections each has a state of its own, and a message is stored at once unless all of them have it in
 * flight or are opening.
 *
 * A message is in memory from its acceptance until it is confirmed, or stored and in flight to nobody. What is on the
 * disk only lies at or below `diskUpTo`, and each reader knows above which position it has to read there. Pages from
 * the disk and messages from memory are merged by position, so nothing overtakes and nothing is left out.
 *
 * It does not promise that a person saw a confirmed message, nor that a message comes only once.
 */
export class Mailbox {
  readonly held = new HeldMessages();
  readonly readers = new Set<MailboxReader>();
  /** The highest position that may be on the disk only. */
  private diskUpTo: number;
  private readonly handover: Handover;
  private readonly ends: MessageEnds;

  constructor(
    readonly key: MailboxKey,
    private readonly context: MailboxContext,
  ) {
    this.diskUpTo = context.lastPosition;
    this.handover = new Handover(this.held, context);
    this.ends = new MessageEnds(this.held, context);
  }

  /** Accepts a message at the next position: writes it to every connection that can have it now, or else stores it. */
  accept(message: Message, position: number, bytes: number, pendingReceipt: PendingReceipt): void {
    const { persistFirst, ticks } = this.context;
    const held = new HeldMessage(this, message, position, bytes, pendingReceipt, 'memory');
    held.acceptedAtTick = ticks.count;
    held.isDelayed = persistFirst && !this.isLive;
    this.held.push(held);
    for (const reader of this.readers) {
      this.advance(reader);
      // A socket that is closing takes no more. What it has may be confirmed until its close event, which may come late.
      if (!reader.receiver.isOpen) reader.leave();
    }
    if (held.state !== 'memory') return; // A link broke under it: the reader there was detached, which has stored it.
    if (this.handover.mustStore(held, this.readers)) this.store(held);
    else if (!persistFirst) ticks.add(this);
    if (!held.isHeld) this.cleanUp();
  }

  /** Lets a connection read the mailbox from its beginning. The receiver gets the number of waiting messages first. */
  attach(receiver: Receiver, firstSeq?: number): MailboxReader {
    const { ackWindow, lastPosition, clock } = this.context;
    const reader = new MailboxReader(receiver, ackWindow, lastPosition, clock, firstSeq);
    this.readers.add(reader);
    if (this.diskUpTo === 0)
      reader.openEmpty(); // No message was ever accepted, for anybody.
    else if (receiver.isOpen) void this.readPage(reader);
    this.advance(reader);
    return reader;
  }

  /** Ends a connection's reading: what it has not confirmed is stored, in order, and the next one reads it again. */
  detach(reader: MailboxReader): void {
    if (!this.readers.delete(reader)) return;
    reader.detach();
    this.storeKept();
    for (const held of this.held) {
      held.isDelayed ||= this.context.persistFirst;
      this.releaseIfStored(held);
    }
    this.cleanUp();
  }

  /** Writes nothing more. What is in flight may still be confirmed, and what is not goes to the store. */
  leave(): void {
    for (const reader of this.readers) reader.leave();
    this.storeKept();
  }

  /** Drops everything, as another process has this mailbox. Returns the messages that were in memory. */
  abandon(): HeldMessages {
    for (const reader of this.readers) reader.detach();
    this.readers.clear();
    return this.held;
  }

  /** Ends what has reached the connection, and returns what `Delivery.confirm` promises. */
  confirm(reader: MailboxReader, seq: number): number | null {
    const confirmed = reader.confirm(seq);
    if (!confirmed) return null;
    for (const held of confirmed) if (held.isHeld) this.ends.confirmed(held); // Another connection may have confirmed it.
    this.cleanUp();
    this.advance(reader);
    return confirmed.length;
  }

  /** Writes a broadcast to a connection, behind all that waits to be written to it; returns false when it gets none. */
  broadcast(reader: MailboxReader, broadcast: Broadcast): boolean {
    const isBehind = reader.state !== 'live' || this.held.firstAfter(reader.cursor) !== undefined;
    return reader.broadcast(broadcast, this.context.lastPosition, isBehind);
  }

  /** Stores what is in memory only and came at or before that tick; returns whether anything younger is left. */
  persist(upToTick: number): boolean {
    let isAnyYounger = false;
    for (const held of this.held) {
      if (held.state !== 'memory') continue;
      isAnyYounger = held.acceptedAtTick > upToTick;
      if (isAnyYounger) break;
      this.store(held);
    }
    this.cleanUp();
    return isAnyYounger;
  }

  /**
   * Somebody else has written into the store, up to `above`. What is not stored yet gets positions above that, and
   * readers read the disk again. `writtenToo` includes what is in flight; otherwise that keeps its positions, below
   * what the others stored.
   */
  renumber(above: number, writtenToo: boolean): void {
    const written = writtenToo ? 0 : Math.max(0, ...[...this.readers].map(({ cursor }) => cursor));
    const newPosition = this.held.renumber(written, (held) => this.context.newPosition(held));
    this.diskUpTo = Math.max(this.diskUpTo, above);
    for (const reader of this.readers) reader.onRenumbered(newPosition);
    this.persist(this.context.ticks.count);
    this.advanceAll();
  }

  /** Returns whether a row is in flight, or may be soon. If it is not, it is written to nobody from now on. */
  isInFlight(row: StoredKey): boolean {
    const held = this.held.of(row);
    if (held && !held.isWaiting) return true;
    if (held) this.ends.end(held);
    return false;
  }

  /** The store removed a message by itself: it expired, was purged or evicted. */
  onRemoved(row: StoredKey): void {
    const held = this.held.of(row);
    if (held) this.ends.end(held);
    this.cleanUp();
  }

  /** What became of a message that was to be stored. */
  onSettled(held: HeldMessage, outcome: StoreOutcome): void {
    if (this.context.isAbandoned) return;
    if (outcome.status !== 'refused' && outcome.position !== undefined) this.onRecorded(held, outcome.position);
    if (outcome.status === 'stored') this.onStored(held);
    else if (held.state === 'ending') this.ends.notStored(held);
    else if (outcome.status === 'duplicate') {
      if (held.wasRelayed) this.context.ledger.wasRepeat();
      this.ends.repeated(held, 'ended', outcome.sentAt, held.recordedAt);
    } else if (held.wasRelayed) {
      // It was written to a connection meanwhile, so it cannot be refused any more.
      held.moveTo('memory');
      this.store(held); // At once: younger ones may be stored already.
    } else {
      this.ends.end(held, 'ended');
      held.pendingReceipt?.refused(outcome.error);
    }
    if (held.topic !== undefined) this.advanceAll(); // An older one of its topic may wait for the outcome.
    this.cleanUp();
  }

  onRecorded(held: HeldMessage, position: number): void {
    this.context.recording?.onRecorded(held, position);
  }

  private onStored(held: HeldMessage): void {
    const { ledger, store, persistFirst } = this.context;
    const wasEnding = held.state === 'ending';
    // Before the ledger calls its listeners, which may send: a stored message is not accepted a second time.
    held.moveTo(wasEnding ? 'ended' : 'stored');
    if (held.wasRelayed) ledger.movedToStore(held.message);
    else ledger.acceptedStored(held.message);
    if (wasEnding) return store.remove(held.deliveredRow(), 'confirmed');
    held.pendingReceipt?.receipted('stored', held.sentAt, false, held.recordedAt);
    if (persistFirst || held.topic !== undefined) this.advanceAll();
    this.releaseIfStored(held);
  }

  /** At least one connection reads the mailbox, and none needs anything from the disk. */
  private get isLive(): boolean {
    return this.readers.size > 0 && [...this.readers].every(({ state }) => state === 'live');
  }

  /** Stores what was kept for a connection that is no longer opening or is detached, unless all have it in flight. */
  private storeKept(): void {
    for (const held of this.held) if (this.handover.mustStore(held, this.readers)) this.store(held);
  }

  /** Stores a message, or ends one that may not be stored: then nobody was there who confirmed it. */
  private store(held: HeldMessage): void {
    if (held.isLiveOnly) this.ends.absent(held);
    else this.handover.store(held);
  }

  /** Writes the next messages to a connection, as far as its window allows. What is on the disk only is read first. */
  private advance(reader: MailboxReader): void {
    while (reader.isReady) {
      const next = this.held.firstAfter(reader.cursor);
      if (next && reader.hasRead(next.position)) {
        const turn = this.held.turnOf(next, this.context);
        if (turn === 'wait') return;
        if (turn === 'skip') this.skip(reader, next);
        else this.write(reader, next);
      } else if (reader.state === 'live') {
        return reader.onAllWritten();
      } else if (reader.hasRead(this.diskUpTo)) {
        reader.goLive();
      } else if (reader.hasRoomForPage) {
        void this.readPage(reader);
      } else {
        return;
      }
    }
  }

  private write(reader: MailboxReader, next: HeldMessage): void {
    const isAccepted = next.relay();
    reader.write(next);
    // After the write, because a listener that sends to this mailbox calls `advance` again.
    if (isAccepted) this.context.ledger.acceptedLive(next.message);
    this.context.recording?.onRelayed(next);
  }

  private skip(reader: MailboxReader, next: HeldMessage): void {
    reader.skip(next);
    if (next.isWaiting) this.ends.expired(next);
  }

  private advanceAll(): void {
    for (const reader of this.readers) this.advance(reader);
  }

  private async readPage(reader: MailboxReader): Promise<void> {
    try {
      await reader.readPage(this.context.store, this.key, this.diskUpTo, (rows) => this.keep(rows));
      this.advance(reader);
    } catch (error) {
      this.context.retryRead(error, () => {
        reader.resume();
        this.advance(reader);
      });
    }
    this.storeKept();
  }

  /** Puts messages from the disk among those in memory. */
  private keep(rows: readonly StoredMessage[]): void {
    const { store, repeats } = this.context;
    const undecided = this.held.undecided();
    for (const row of rows) {
      // A message that is not stored yet may repeat this one. It must not be written as a new message.
      const repeat = undecided.get(messageKeyOf(row));
      if (repeat) this.ends.repeated(repeat, undefined, row.sentAt, row.extras?.position);
      repeats.addStored(row);
      // What is about to be deleted must not be written again.
      if (!store.isBeingRemoved(row)) this.held.insert(HeldMessage.fromDisk(this, row));
    }
  }

  /** Releases a stored message that nobody has in flight. Readers that have not got it read it from the disk again. */
  private releaseIfStored(held: HeldMessage): void {
    if (!held.isWaiting) return;
    if (held.hasExpired(this.context)) return this.ends.expired(held);
    held.moveTo('released');
    this.held.onNotHeld();
    this.diskUpTo = Math.max(this.diskUpTo, held.position);
    for (const reader of this.readers) if (reader.cursor < held.position) reader.readAgainAfter(held.position - 1);
  }

  private cleanUp(): void {
    this.held.removeNotHeld();
    if (this.readers.size > 0 || this.held.size > 0) return;
    this.context.ticks.remove(this);
    this.context.onIdle(this);
  }
}
