import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { RemovalReason, StoredHeader, StoredKey, StoredMessage, StoreRequest } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import { inNoContext } from '../options/no-context.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Commit, CommitListener, QueueDepth } from './commit-listener.js';
import type { MailboxUsage } from './mailbox-usage.js';
import type { OfflineMessageTable } from './offline-message.table.js';
import type { Ownership } from './ownership.js';
import { PendingDeletes, type RemovalWatcher } from './pending-deletes.js';
import { StoreBatch } from './store-batch.js';
import { faultOf, TRIES, unavailable, type Fault } from './store-fault.js';
import type { StoreHandle } from './store-handle.js';
import { StoreHealth } from './store-health.js';
import { MAX_BATCH, WaitingStores } from './waiting-stores.js';

/** Pause before the next try after a failure, in milliseconds. */
const RETRY_MS = 250;
/**
 * The one way to the table: group commit. What gathers while a commit is under way goes into the next, one statement
 * for all inserts and one for all deletes, each committed by itself; then come the reads. Nothing here opens a
 * transaction, and the connection belongs to the queue alone.
 *
 * It does not promise that a message offered to it is stored: that is what `onSettled` tells.
 */
export class CommitQueue {
  readonly health = new StoreHealth();
  private readonly stores = new WaitingStores();
  private readonly deletes: PendingDeletes;
  private reads: (() => Promise<void>)[] = [];
  private running = false;
  private idle: Promise<void> = Promise.resolve();
  private closing = false;
  private wake: (() => void) | null = null;
  /** It pauses with nothing to commit, only to ask the disk again later: whatever is asked for need not wait for that. */
  private resting = false;
  private roomListeners: (() => void)[] = [];
  private flushListeners: (() => void)[] = [];

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly usage: MailboxUsage,
    private readonly ownership: Ownership,
    private readonly handle: StoreHandle,
    private readonly clock: Clock,
    private readonly listener: CommitListener,
  ) {
    this.deletes = new PendingDeletes(
      (rows) => this.timed('delete', rows.length, () => table.remove(rows)),
      (hasFailed) => handle.database.makeRoomForRemovals(hasFailed),
    );
  }

  /**
   * True when no more should be offered until `whenRoom` calls back. Never while the store fails: what is offered is
   * refused within half a second then, and from a sender that is held up no confirmation would be read either.
   */
  get isFull(): boolean {
    return this.health.isHealthy && this.stores.isFull;
  }

  get depth(): QueueDepth {
    return { inserts: this.stores.size, bytes: this.stores.bytes, deletes: this.deletes.size };
  }

  whenRoom(callback: () => void): void {
    this.roomListeners.push(callback);
  }

  store(request: StoreRequest): void {
    this.stores.add(request);
    this.start();
  }

  /** Takes a message back before its commit has begun; answers false when it is too late for that. */
  cancel(request: StoreRequest): boolean {
    return this.stores.cancel(request);
  }

  /** Deletes a stored message. The first reason counts. */
  remove(row: StoredHeader, reason: RemovalReason, watcher?: RemovalWatcher): void {
    this.deletes.add(row, reason, watcher);
    this.start();
  }

  /** Runs a read between two commits; rejects with STORE_UNAVAILABLE when the disk can't be read. */
  read<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.closing) return Promise.reject(unavailable('the server is going away; try again later', undefined));
    return new Promise<Result>((resolve, reject) => {
      this.reads.push(() => run().then(resolve, (cause: unknown) => reject(this.onReadFailed(cause))));
      this.start();
    });
  }

  /** Waits until all that was asked for is committed, or could not be. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.flushListeners.push(resolve);
      this.start();
    });
  }

  /** Hears from whoever looked that what is open is not the store any more: nothing is committed before it is opened anew. */
  markBroken(cause: unknown): void {
    if (this.closing) return;
    this.health.cause = cause;
    this.handle.markBroken();
    this.health.markFailing(cause);
    this.start();
  }

  /** Says whether this row is on its way out of the store. */
  isLeaving(row: StoredKey): boolean {
    return this.deletes.has(row);
  }

  /** Waits until all that was asked for is committed. What the store refuses even now is tried once, then given up and logged. */
  async close(): Promise<void> {
    this.closing = true;
    this.wake?.();
    await this.idle;
    if (this.stores.size + this.deletes.size > 0) this.health.logLost(this.stores.size, this.deletes.size);
  }

  private start(): void {
    if (this.resting) this.wake?.();
    if (this.running) return;
    this.running = true;
    this.idle = inNoContext(() => this.run());
  }

  private async run(): Promise<void> {
    await endOfTurn(); // All that this turn asks for goes into the same commit.
    for (let last: Fault | null = null, tries = 0; ;) {
      // Before the commit, which waits for the disk: whoever reads a backlog would wait with it for every page.
      if (this.health.isHealthy) await this.serveReads();
      const fault = await this.commit();
      tries = fault === last ? tries + 1 : 1;
      last = fault;
      const failed = fault !== null && (!this.health.isHealthy || tries >= TRIES[fault]);
      if (failed) this.refuseWaiting();
      else if (fault === null) this.health.markHealthy();
      if (!this.health.isHealthy) await this.serveReads();
      const done = (this.health.isHealthy || this.closing) && this.stores.size === 0 && this.deletes.size === 0;
      if (done || failed) this.callFlushListeners();
      if (done ? this.reads.length === 0 && this.flushListeners.length === 0 : failed && this.closing) break;
      if (failed) await this.pause();
    }
    this.running = false;
  }

  /** One round of commits; answers what the first failure among them says about the next try. */
  private async commit(): Promise<Fault | null> {
    const broken = await this.attempt(() => this.handle.recover((byServer) => this.settle(byServer)));
    if (broken) return broken;
    const stores = await this.attempt(() => this.commitStores());
    if (stores === 'locked' || stores === 'displaced') return stores;
    // On a full disk they may still go, and make room.
    const removals = await this.attempt(() => this.commitRemovals());
    if (stores ?? removals) return stores ?? removals;
    // Senders may have gone elsewhere since they were refused: nobody but us would find out that it works again.
    return this.health.isHealthy ? null : this.attempt(() => this.tryWrite());
  }

  private async attempt(work: () => Promise<void>): Promise<Fault | null> {
    try {
      await work();
      return null;
    } catch (cause) {
      this.health.countFailure(cause);
      return this.note(cause);
    }
  }

  /** Says what a failure means for the next try, and has the connection mended before that if it takes it. */
  private note(cause: unknown): Fault {
    const fault = faultOf(cause);
    if (fault === 'broken') this.handle.markBroken();
    if (fault === 'displaced') this.handle.markDisplaced();
    return fault;
  }

  /** What is on its way out goes first: then all that is counted in memory is counted anew. */
  private async settle(byServer: boolean): Promise<void> {
    while (this.deletes.size > 0) await this.commitRemovals();
    this.usage.invalidateAll();
    await this.listener.onDisplaced(byServer);
  }

  /** Tells everybody who waits for a commit: only what was taken already is kept, and tried again. */
  private refuseWaiting(): void {
    const { cause } = this.health;
    this.health.markFailing(cause);
    const error = unavailable('the message was not stored; send it again later', cause);
    for (const request of this.stores.takeRefusable()) request.onSettled({ status: 'refused', error });
    this.deletes.fail(unavailable('the store fails; what was found is deleted when it works again', cause));
    this.callRoomListeners();
  }

  private onReadFailed(cause: unknown): ChatError {
    this.note(cause);
    this.health.markFailing(cause);
    return unavailable('the store can not be read; try again later', cause);
  }

  /** Lets a while pass after a failure; with nothing to commit, until something is asked for. */
  private async pause(): Promise<void> {
    this.resting = this.stores.size === 0 && this.deletes.size === 0;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(RETRY_MS, resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
    this.resting = false;
    await endOfTurn();
  }

  /** Runs a statement that changes rows; answers how many it changed. */
  private async timed(statement: Commit['statement'], rows: number, run: () => Promise<number>): Promise<number> {
    const begun = performance.now();
    const changed = await run();
    this.handle.database.check(); // A receipt is for what is in the file that the next start opens.
    this.listener.onCommitted({ statement, rows, seconds: (performance.now() - begun) / 1000 });
    return changed;
  }

  private async commitStores(): Promise<void> {
    if (this.stores.size === 0) return;
    const requests = this.stores.takeBatch(await this.handle.database.roomForInserts());
    const insert = async (rows: readonly StoredMessage[]) => {
      await this.ownership.cover(rows.reduce((highest, { position }) => Math.max(highest, position), 0));
      return this.timed('insert', rows.length, () => this.table.insert(rows));
    };
    const batch = new StoreBatch(requests, this.table, this.usage, insert);
    try {
      await batch.commit(this.clock, (row) => this.listener.onStored(row));
    } catch (cause) {
      // They may be in the table, and their senders are about to hear that they are not.
      if (batch.isInserted || faultOf(cause) === 'broken') this.handle.markBroken(batch.unsettled.map(rowOf));
      const error = unavailable('the message was not stored; send it again later', cause);
      for (const request of batch.unsettled) if (request.hasEnded) request.onSettled({ status: 'refused', error });
      this.stores.putBack(batch.unsettled.filter((request) => !request.hasEnded));
      throw cause;
    }
    this.usage.removeLeastUsed();
    for (const row of await batch.overflow(MAX_BATCH)) this.remove(row, 'evicted');
    this.callRoomListeners();
  }

  /** While the store fails as much as there is time for until the next try: it may be what makes room. */
  private async commitRemovals(): Promise<void> {
    const end = performance.now() + RETRY_MS;
    do {
      await this.deletes.commit((row, reason) => {
        this.usage.subtract(row);
        this.listener.onRemoved(row, reason);
      });
    } while (!this.health.isHealthy && this.deletes.size > 0 && performance.now() < end);
  }

  private async tryWrite(): Promise<void> {
    await this.handle.database.roomForInserts();
    await this.table.tryWrite();
  }

  private async serveReads(): Promise<void> {
    const reads = this.reads;
    this.reads = [];
    await Promise.all(reads.map((read) => read()));
  }

  private callFlushListeners(): void {
    const listeners = this.flushListeners;
    this.flushListeners = [];
    for (const listener of listeners) listener();
  }

  private callRoomListeners(): void {
    if (this.isFull || this.roomListeners.length === 0) return;
    const listeners = this.roomListeners;
    this.roomListeners = [];
    for (const listener of listeners) listener();
  }
}

function rowOf({ mailbox, message: { from, id }, position }: StoreRequest): StoredKey {
  return { mailbox, from, id, position };
}
