import type { Message } from '../protocol/message.js';
import type { PendingReceipt } from './pending-receipt.js';
import { HeldMessage } from './held-message.js';
import { HeldMessages } from './held-messages.js';
import { MailboxReader, WINDOW_BYTES, type Receiver } from './mailbox-reader.js';
import type { MailboxKey, StoredKey, StoredMessage, StoreOutcome } from './mailbox-store.js';
import type { MailboxContext } from './mailbox-context.js';

/** Sweeps that a message sees before it is stored unconfirmed; they come so many times in `persistAfterMs`. */
export const SWEEPS_TO_PERSIST = 4;

/**
 * All that is in flight or pending for one user, in order. It alone decides whether a message is relayed or stored, and
 * when it may leave the store. There is one only while its user is connected or something for it is on its way to the disk.
 *
 * | state    | when                                        | a new message                               | leaves to |
 * | -------- | ------------------------------------------- | ------------------------------------------- | --------- |
 * | offline  | no connection                               | is stored                                   | opening: a connection came |
 * | opening  | what waits is asked for                     | is kept, no more of them than a window has  | draining; live: nothing waits; offline |
 * | draining | a connection has not got all of the backlog | is stored, behind the backlog               | live: the rest is in memory; offline: the connection left |
 * | live     | all was written, or is about to be          | is written at once; stored when the window is full or no confirmation comes | draining: its window is full and something had to be dropped to the disk; offline |
 *
 * With several connections each has its own state, and a message is stored at once unless it was written, or kept, for all.
 *
 * A message is in memory from its acceptance until it is confirmed, or stored and not in flight. What is on the disk
 * alone lies at or below `diskUpTo`, and each reader knows from where on it has to read there (`knownUpTo`): reading
 * pages and writing from memory are merged by position, so that nothing overtakes and nothing is left out.
 *
 * It does not promise that a confirmed message was seen by a person, nor that a message comes only once.
 */
export class Mailbox {
  private readonly held = new HeldMessages();
  private readonly readers = new Set<MailboxReader>();
  /** The highest position that may be on the disk without being held. */
  private diskUpTo: number;
  /** Every message up to this position was handed to the store, or has ended. */
  private handedUpTo = 0;

  constructor(
    readonly key: MailboxKey,
    private readonly shared: MailboxContext,
  ) {
    this.diskUpTo = shared.lastPosition;
  }

  private get isLive(): boolean {
    return this.readers.size > 0 && [...this.readers].every((reader) => reader.isLive);
  }

  /** Takes a message, at the next position: writes it to every connection that can have it now, or else stores it. */
  accept(message: Message, position: number, bytes: number, answer: PendingReceipt): void {
    const held = new HeldMessage(this, message, position, bytes, answer);
    held.takenAtSweep = this.shared.sweeps;
    held.takenLive = this.shared.persistFirst && this.isLive;
    this.held.push(held);
    for (const reader of this.readers) {
      // A socket that is closing takes no more; its close event may come much later.
      if (reader.receiver.isOpen) this.advance(reader, held);
      else this.detach(reader);
      if (reader.cursor < position) reader.fellBehind();
    }
    if (this.mayStayInMemory(held)) this.shared.onUnstored(this);
    else if (held.disk === 'memory') this.store(held); // Or it is on its way, as a connection left meanwhile.
  }

  /** Lets a connection read the mailbox, from its beginning; first it hears how much waits. */
  attach(receiver: Receiver): MailboxReader {
    const reader = new MailboxReader(receiver, this.shared.ackWindow, this.shared.lastPosition);
    this.readers.add(reader);
    if (this.diskUpTo === 0) reader.open(0); // No message was ever taken, for anybody.
    this.advance(reader);
    return reader;
  }

  /** Ends a connection's reading: what it has not confirmed is stored, in order, and read again by the next one. */
  detach(reader: MailboxReader): void {
    if (!this.readers.delete(reader)) return;
    reader.detach();
    this.storeKept();
    for (const held of this.held) {
      held.takenLive = false;
      this.releaseIfStored(held);
    }
    this.trim();
  }

  /** Everything up to `seq` has reached the connection; answers how many that confirms, null when no such seq was ever written to it. */
  confirm(reader: MailboxReader, seq: number): number | null {
    const confirmed = reader.confirm(seq);
    if (!confirmed) return null;
    for (const held of confirmed) if (!held.gone) this.end(held);
    this.trim();
    this.advance(reader);
    return confirmed.length;
  }

  /** Stores what is in memory only and was taken at or before that sweep; answers whether anything younger is left. */
  persist(takenUpTo: number): boolean {
    for (const held of this.held) {
      if (held.disk !== 'memory' || held.gone) continue;
      if (held.takenAtSweep > takenUpTo) return true;
      this.store(held);
    }
    return false;
  }

  /**
   * Somebody else has written into the store, up to `above`: what is not there yet goes behind that, and readers look there.
   * `writtenToo`: also what is on its way to a connection; it keeps its place otherwise, before what the others stored.
   */
  renumber(above: number, next: () => number, writtenToo: boolean): void {
    const written = writtenToo ? 0 : Math.max(0, ...[...this.readers].map(({ cursor }) => cursor));
    const placeOf = this.held.renumber(written, next);
    this.diskUpTo = Math.max(this.diskUpTo, above);
    for (const reader of this.readers) reader.onRenumbered(placeOf);
    this.persist(Infinity); // Younger ones are stored already.
    for (const reader of this.readers) this.advance(reader);
  }

  /** The store ended a message by itself: it expired, was purged or evicted. */
  onRemoved(row: StoredKey): void {
    const held = this.held.at(row.position);
    if (held?.id === row.id && held.from === row.from) this.release(held, true);
    this.trim();
  }

  /** What became of a message that was to be stored. */
  onSettled(held: HeldMessage, outcome: StoreOutcome): void {
    if (outcome.status === 'stored') this.onStored(held);
    else if (held.gone) {
      if (held.accepted) this.shared.ledger.confirmedLive(held.message);
    } else if (outcome.status === 'duplicate') {
      if (held.accepted) this.shared.ledger.wasRepeat();
      this.endRepeat(held, outcome.sentAt);
    } else if (held.accepted) {
      // It was written to a connection while the store made up its mind, so it is refused no more.
      held.disk = 'memory';
      this.handedUpTo = Math.min(this.handedUpTo, held.position - 1);
      this.store(held); // At once: younger ones may be stored already.
    } else {
      this.release(held, true);
      this.shared.onRefused(held.message);
      held.pendingReceipt?.refused(outcome.error);
    }
    this.trim();
  }

  private onStored(held: HeldMessage): void {
    const { ledger, store, persistFirst } = this.shared;
    held.disk = 'stored';
    if (held.accepted) ledger.movedToStore(held.message);
    else ledger.tookStored(held.message);
    held.accepted = true;
    if (held.gone) return store.remove(held, 'confirmed');
    held.pendingReceipt?.receipted('stored', held.sentAt);
    if (persistFirst) for (const reader of this.readers) this.advance(reader);
    this.releaseIfStored(held);
  }

  /** Every connection has it in flight, or will have it as soon as it is known what it has to get before. */
  private mayStayInMemory(held: HeldMessage): boolean {
    if (held.inFlight === this.readers.size) return held.inFlight > 0;
    if (this.shared.persistFirst) return false;
    const opening = [...this.readers].filter(({ isOpened }) => !isOpened).length;
    return (
      opening > 0 && held.inFlight + opening === this.readers.size && this.held.fit(this.shared.ackWindow, WINDOW_BYTES)
    );
  }

  /** Stores what was kept for a connection that is open now, or has left, and is not in flight to all. */
  private storeKept(): void {
    for (const held of this.held) {
      if (!held.gone && held.disk === 'memory' && !this.mayStayInMemory(held)) this.store(held);
    }
  }

  /** Stores a message, and before it all older ones that are in memory only: after a crash none may be behind it [protocol 2.4]. */
  private store(held: HeldMessage): void {
    for (let next = this.held.firstAfter(this.handedUpTo); next && next.position < held.position;) {
      if (next.disk === 'memory' && !next.gone) this.handOver(next);
      next = this.held.firstAfter(next.position);
    }
    this.handOver(held);
  }

  private handOver(held: HeldMessage): void {
    held.disk = 'storing';
    this.handedUpTo = Math.max(this.handedUpTo, held.position);
    this.shared.store.store(held);
  }

  /** A message is confirmed: it leaves the mailbox, and the store if it is there. */
  private end(held: HeldMessage): void {
    const { ledger, store } = this.shared;
    this.release(held, true);
    held.pendingReceipt?.receipted('delivered', held.sentAt);
    if (held.disk === 'stored') store.remove(held, 'confirmed');
    else if (held.disk === 'memory' || store.cancel(held)) ledger.confirmedLive(held.message);
    // Otherwise its commit is under way, and onSettled removes it.
  }

  /** Writes to a connection what comes next, as far as its window reaches; what is on the disk alone is read first. */
  private advance(reader: MailboxReader, fresh?: HeldMessage): void {
    while (reader.attached && !reader.reading && reader.room > 0 && reader.receiver.isOpen) {
      const next = this.held.firstAfter(reader.cursor);
      if (next && next.position <= reader.knownUpTo) {
        if (this.shared.persistFirst && next.disk !== 'stored') return;
        const waited = next.disk !== 'memory' && !next.takenLive;
        this.write(reader, next, next !== fresh && (waited || !reader.cameBefore(next)));
      } else if (reader.isLive) {
        return reader.hasCaughtUp();
      } else if (reader.knownUpTo >= this.diskUpTo) {
        reader.knownUpTo = Infinity;
      } else if (reader.room * 2 >= this.shared.ackWindow) {
        void this.readPage(reader);
      } else {
        return; // A page is worth its statement when there is room for half a window.
      }
    }
  }

  private write(reader: MailboxReader, held: HeldMessage, late: boolean): void {
    if (!held.accepted) {
      held.accepted = true;
      this.shared.ledger.tookLive(held.message);
    }
    reader.write(held, late);
  }

  private async readPage(reader: MailboxReader): Promise<void> {
    const after = reader.knownUpTo;
    const upTo = this.diskUpTo;
    // While it reads, what is dropped to the disk lowers this again: the page may not have it yet.
    reader.reading = true;
    reader.knownUpTo = Infinity;
    try {
      const { pending, rows, isLast } =
        after === 0
          ? await this.shared.store.firstPage(this.key, upTo, reader.pageRows)
          : { pending: null, ...(await this.shared.store.page(this.key, after, upTo, reader.pageRows)) };
      if (!reader.attached) return;
      reader.open(pending);
      this.hold(rows);
      if (!isLast) reader.sizePages(rows.length);
      reader.knownUpTo = Math.min(reader.knownUpTo, isLast ? upTo : rows.at(-1)!.position);
      reader.reading = false;
      this.advance(reader);
    } catch (error) {
      if (!reader.attached) return;
      reader.open(null);
      reader.knownUpTo = Math.min(reader.knownUpTo, after);
      reader.reading = false;
      this.shared.onReadFailed(error, () => this.advance(reader));
    }
    this.storeKept();
  }

  /** Puts messages from the disk among those in memory. */
  private hold(rows: readonly StoredMessage[]): void {
    const undecided = new Map<string, HeldMessage>();
    for (const held of this.held) if (!held.accepted && !held.released) undecided.set(`${held.from}\n${held.id}`, held);
    for (const row of rows) {
      // A send that the store has yet to judge may repeat this one: it must not be written as a new message first.
      const repeat = undecided.get(`${row.from}\n${row.id}`);
      if (repeat) this.endRepeat(repeat, row.sentAt);
      this.shared.onRead(row);
      // Deleted since the page was read, or about to be: it was confirmed, so it must not be written again.
      if (this.shared.store.isLeaving(row)) continue;
      const held = new HeldMessage(this, row, row.position, row.bytes, null);
      held.disk = 'stored';
      held.accepted = true;
      this.held.insert(held);
    }
  }

  /** The store has this message already: its sender is told of the first one. */
  private endRepeat(held: HeldMessage, sentAt: number): void {
    held.pendingReceipt?.receipted('stored', sentAt, true);
    this.release(held, true);
  }

  private releaseIfStored(held: HeldMessage): void {
    if (held.disk === 'stored' && held.inFlight === 0 && !held.released) this.release(held, false);
  }

  /** Lets a message out of memory; what is not gone is read from the disk again by whoever has not got it. */
  private release(held: HeldMessage, gone: boolean): void {
    held.gone = gone;
    if (!this.held.release(held) || gone) return;
    this.diskUpTo = Math.max(this.diskUpTo, held.position);
    for (const reader of this.readers) {
      if (reader.cursor < held.position) reader.knownUpTo = Math.min(reader.knownUpTo, held.position - 1);
    }
  }

  private trim(): void {
    this.held.trim();
    if (this.readers.size === 0 && this.held.size === 0) this.shared.onIdle(this);
  }
}
