import { Logger } from '@nestjs/common';
import type { RecordRequest, StoredHeader, StoredMessage, StoreRequest } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import type { MailboxUsage } from './mailbox-usage.js';
import type { SlotSet } from './slot-set.js';
import { PendingDeletes } from './pending-deletes.js';
import { PendingMarks } from './pending-marks.js';
import { RecordBatch } from './record-batch.js';
import { calm, settle, StoreBatch, type Insert } from './store-batch.js';
import type { StoreCounters } from './store-counters.js';
import type { Commit, StoreEvents } from './store-events.js';
import { faultOf, Fenced, type Fault } from './store-fault.js';
import { errors } from '../protocol/chat-error.js';
import type { StoreHandle } from './store-handle.js';
import { StoreHealth } from './store-health.js';
import { rowKey } from './store-key.js';
import { MAX_BATCH, WaitingStores } from './waiting-stores.js';

/** While the store fails, a round goes on deleting for this long, in milliseconds: deletes may be what makes room. */
const DELETE_MS = 250;

/**
 * Writes what waits: one statement for the inserts of a round and one for its deletes, each committed by itself. It
 * opens no transaction. The commit queue decides when a round runs.
 *
 * It calls StoreBatch, the counters and MailboxUsage directly, not by an event: they have to be
 * exact before anybody else hears of a commit, and a failure in one of them has to end the round.
 */
export class StoreWriter {
  readonly health = new StoreHealth();
  readonly stores = new WaitingStores();
  /** Messages that were relayed, and are not in the record yet. */
  readonly records = new WaitingStores<RecordRequest>();
  readonly marks = new PendingMarks();
  readonly deletes: PendingDeletes;
  /** The highest position in the record when it was looked at last. */
  recordedUpTo = 0;
  private readonly logger = new Logger('OfflineMessages');
  private roomListeners: (() => void)[] = [];
  /** Rows were missing that were to be deleted, so the counters may have counted out what they did not count. */
  private isMiscounted = false;

  constructor(
    private readonly handle: StoreHandle,
    private readonly usage: MailboxUsage,
    private readonly counters: StoreCounters,
    private readonly events: StoreEvents,
    private readonly clock: Clock,
  ) {
    this.deletes = new PendingDeletes(
      async (rows) => {
        const removed = await this.timed('delete', rows.length, () => handle.removeOwned(rows));
        this.isMiscounted ||= removed < rows.length;
      },
      (hasFailed) => handle.database.makeRoomForRemovals(hasFailed),
    );
  }

  get hasWork(): boolean {
    return this.hasInserts || this.deletes.size > 0 || this.isMiscounted;
  }

  private get hasInserts(): boolean {
    return this.stores.size > 0 || this.records.size > 0 || this.marks.size > 0;
  }

  /** The table must not be read before the next round has recovered it. */
  get isInDoubt(): boolean {
    return this.handle.isInDoubt;
  }

  /**
   * True when no more should be offered until `whenRoom` calls back. Never while the store fails: whatever is offered
   * is refused within half a second then, and a sender that is held up could not confirm messages either.
   */
  get isFull(): boolean {
    return this.health.isHealthy && (this.stores.isFull || this.records.isFull);
  }

  whenRoom(callback: () => void): void {
    this.roomListeners.push(callback);
  }

  /** Counts what is on the disk; returns the highest position that must not be given any more. */
  async recount(): Promise<number> {
    const { count, bytes, lastPosition } = await this.handle.table.summary();
    const highest = await this.handle.ownership.raise(lastPosition);
    this.recordedUpTo = (await this.handle.record?.lastPosition()) ?? 0;
    this.counters.recounted(count, bytes);
    return highest;
  }

  /** Slots in which so much waits came to this node. */
  tookOver({ count, bytes }: { count: number; bytes: number }): void {
    this.counters.tookOver(count, bytes);
    this.usage.invalidateAll();
  }

  /** Slots in which so much waits go to another node. */
  handOver({ count, bytes }: { count: number; bytes: number }): void {
    this.counters.handOver(count, bytes);
    this.usage.invalidateAll();
  }

  /** Nothing of these slots waits or is unaccounted for. To be asked between two commits. */
  isDoneWith(slots: SlotSet): boolean {
    return (
      this.handle.isTrusted && !this.stores.hasAny(slots) && !this.records.hasAny(slots) && !this.deletes.hasAny(slots)
    );
  }

  /**
   * This node was fenced: forgets all that waits, without a word to the senders, and counts the rows as handed over.
   * Those who wait for deletes are told that it failed.
   */
  abandon(): void {
    this.stores.clear();
    this.records.clear();
    this.deletes.fail(errors.notRead(new Fenced()));
    this.deletes.clear();
    this.counters.handOver(this.counters.pending, this.counters.pendingBytes);
    this.usage.invalidateAll();
    this.callRoomListeners();
  }

  /** Runs one round of commits; returns the fault of the first that failed, null when none did. */
  async write(): Promise<Fault | null> {
    const broken = await this.attempt(() => this.recover());
    if (broken) return broken;
    const stores = await this.attempt(() => this.commitStores());
    if (stores === 'locked' || stores === 'displaced' || stores === 'fenced') return stores;
    // Deletes may succeed on a full disk, and make room.
    const deletes = await this.attempt(() => this.commitDeletes());
    if (stores ?? deletes) return stores ?? deletes;
    // Senders may have gone elsewhere after they were refused, so nothing else may show that the store works again.
    return this.health.isHealthy ? null : this.attempt(() => this.tryWrite());
  }

  /** Returns the fault, and has the connection recovered before the next round where that is necessary. */
  judge(cause: unknown): Fault {
    const fault = faultOf(cause);
    if (fault === 'broken') this.handle.markBroken();
    if (fault === 'displaced') this.handle.markDisplaced();
    return fault;
  }

  /** The open file or session is not the store any more: nothing is committed before it is opened again. */
  markBroken(cause: unknown): void {
    this.handle.markBroken();
    this.health.markFailing(cause);
  }

  /**
   * Refuses everybody who waits. Only messages that were accepted already are kept and tried again.
   */
  refuseWaiting(): void {
    const { cause } = this.health;
    this.health.markFailing(cause);
    const error = errors.notStored(cause);
    for (const request of this.stores.takeRefusable()) settle(request, { status: 'refused', error });
    this.deletes.fail(errors.notDeletedYet(cause));
    this.marks.fail(error);
    this.callRoomListeners();
  }

  private async attempt(work: () => Promise<void>): Promise<Fault | null> {
    try {
      await work();
      return null;
    } catch (cause) {
      this.health.countFailure(cause);
      return this.judge(cause);
    }
  }

  private async recover(): Promise<void> {
    await this.handle.recover((byServer) => this.renew(byServer));
    if (!this.isMiscounted) return;
    const { count, bytes } = await this.handle.table.summary();
    this.counters.recounted(count, bytes);
    this.usage.invalidateAll();
    this.isMiscounted = false;
  }

  /**
   * Somebody else has written. The pending deletes go first, then everything that is counted in memory is counted anew.
   */
  private async renew(byServer: boolean): Promise<void> {
    while (this.deletes.size > 0) await this.commitDeletes();
    this.usage.invalidateAll();
    const { pending } = this.counters;
    const highest = await this.recount();
    this.logger.warn(
      `${byServer ? 'Another server was' : 'Somebody else has written'} in this store: ${this.counters.pending} messages wait in it now, where ${pending} did. One server to a store; what both had receipted is in it.`,
    );
    this.events.displaced.emit(highest, byServer);
  }

  /** Runs a statement that changes rows; returns how many it changed. */
  private async timed(statement: Commit['statement'], rows: number, run: () => Promise<number>): Promise<number> {
    const begun = performance.now();
    const changed = await run();
    this.handle.database.check(); // A receipt promises that the message is in the file that the next start opens.
    this.events.committed.emit({ statement, rows, seconds: (performance.now() - begun) / 1000 });
    return changed;
  }

  /** Inserts the rows, and with them in one transaction what is of the record. */
  private async insert(
    rows: readonly StoredMessage[],
    admitted: readonly StoreRequest[],
    record: RecordBatch | null,
  ): Promise<number> {
    const { ownership, table } = this.handle;
    if (rows.length > 0) await ownership.cover(rows.reduce((highest, row) => Math.max(highest, row.position), 0));
    if (record === null || !record.isNeeded(admitted))
      return rows.length > 0 ? this.timed('insert', rows.length, () => table.insert(rows)) : 0;
    const insert = async () => (rows.length > 0 ? table.insert(rows) : 0);
    const count = rows.length + record.requests.length;
    const inserted = await this.timed('insert', count, () => record.commit(admitted, insert));
    this.onRecorded(record);
    return inserted;
  }

  private takeRecord(room: number): RecordBatch | null {
    const { record } = this.handle;
    return record && new RecordBatch(record, this.records.takeBatch(room), this.marks.take());
  }

  private onRecorded(record: RecordBatch): void {
    record.isCommitted = true;
    this.counters.record.recorded += record.added;
    this.events.recorded.emit(record.messages);
    for (const request of record.requests) calm(() => request.onRecorded(record.positionOf(request.message)!));
    for (const mark of record.marks) for (const watcher of mark.watchers) watcher.onCommitted();
    for (const mark of record.moved) this.events.marked.emit(mark);
  }

  private async commitStores(): Promise<void> {
    if (!this.hasInserts) return;
    // A message that is recorded takes room twice, and there are two kinds of requests.
    const room = (await this.handle.database.roomForInserts()) / (this.handle.record === null ? 1 : 3);
    const requests = this.stores.takeBatch(room);
    const record = this.takeRecord(room);
    const insert: Insert = (rows, admitted) => this.insert(rows, admitted, record);
    const batch = new StoreBatch(requests, this.handle.table, this.usage, insert, record);
    try {
      await batch.commit(this.clock, (row, superseded) => this.onStored(row, superseded));
    } catch (cause) {
      // They may be in the table although their senders are about to be refused.
      if (batch.isInserted || faultOf(cause) === 'broken') this.handle.markBroken(batch.unsettled.map(rowKey));
      const error = errors.notStored(cause);
      for (const request of batch.unsettled) if (request.hasEnded) settle(request, { status: 'refused', error });
      this.stores.putBack(batch.unsettled.filter((request) => !request.hasEnded));
      if (record?.isCommitted === false) this.putBack(record);
      throw cause;
    }
    this.usage.removeLeastUsed();
    for (const row of await batch.overflow(MAX_BATCH)) this.deletes.add(row, 'evicted');
    this.callRoomListeners();
  }

  private putBack({ requests, marks }: RecordBatch): void {
    this.records.putBack(requests);
    this.marks.putBack(marks);
  }

  private onStored(row: StoredMessage, superseded: readonly StoredHeader[]): void {
    this.counters.stored(row);
    if (row.extras?.expiresAt !== undefined) this.events.expiring.emit(row.extras.expiresAt);
    for (const older of superseded) this.events.spare.emit(older, 'replaced');
  }

  private async commitDeletes(): Promise<void> {
    const end = performance.now() + DELETE_MS;
    do {
      await this.deletes.commit((row, reason) => {
        this.usage.subtract(row);
        this.counters.removed(row, reason);
        this.events.removed.emit(row, reason);
      });
    } while (!this.health.isHealthy && this.deletes.size > 0 && performance.now() < end);
  }

  private async tryWrite(): Promise<void> {
    await this.handle.database.roomForInserts();
    await this.handle.table.tryWrite();
  }

  private callRoomListeners(): void {
    if (this.isFull || this.roomListeners.length === 0) return;
    const listeners = this.roomListeners;
    this.roomListeners = [];
    for (const listener of listeners) listener();
  }
}
