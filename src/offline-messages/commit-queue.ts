import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { Clock } from '../options/clock.js';
import { inNoContext } from '../options/no-context.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import type { Commit, CommitListener, QueueDepth } from './commit-listener.js';
import type { MailboxTallies } from './mailbox-tally.js';
import type { OfflineMessageTable, RowKey, StoredHeader, StoredMessage } from './offline-message.table.js';
import type { Ownership } from './ownership.js';
import { Removals, type Ending, type RemovalWatcher } from './removals.js';
import { StoreBatch, type StoreRequest } from './store-batch.js';
import { faultOf, TRIES, type Fault } from './store-fault.js';
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
  private readonly removals: Removals;
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
    private readonly tallies: MailboxTallies,
    private readonly ownership: Ownership,
    private readonly handle: StoreHandle,
    private readonly clock: Clock,
    private readonly listener: CommitListener,
  ) {
    this.removals = new Removals(
      (rows) => this.timed('delete', rows.length, () => table.remove(rows)),
      (hasFailed) => handle.database.makeRoomForRemovals(hasFailed),
    );
  }

  /**
   * True when no more should be offered until `whenRoom` calls back. Never while the store fails: what is offered is
   * refused within half a second then, and from a sender that is held up no confirmation would be read either.
   */
  get isFull(): boolean {
    return this.health.isWell && this.stores.isFull;
  }

  get depth(): QueueDepth {
    return { inserts: this.stores.size, bytes: this.stores.bytes, deletes: this.removals.size };
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

  /** Deletes a stored message. The first ending counts. */
  remove(row: StoredHeader, ending: Ending, watcher?: RemovalWatcher): void {
    this.removals.add(row, ending, watcher);
    this.start();
  }

  /** Runs a read between two commits; rejects with STORE_UNAVAILABLE when the disk can't be read. */
  read<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.closing) return Promise.reject(errors.goingAway());
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
  distrust(cause: unknown): void {
    if (this.closing) return;
    this.health.cause = cause;
    this.handle.distrust();
    this.health.onUnwell(cause);
    this.start();
  }

  /** Says whether this row is on its way out of the store. */
  isLeaving(row: RowKey): boolean {
    return this.removals.has(row);
  }

  /** Waits until all that was asked for is committed. What the store refuses even now is tried once, then given up and logged. */
  async close(): Promise<void> {
    this.closing = true;
    this.wake?.();
    await this.idle;
    if (this.stores.size + this.removals.size > 0) this.health.onLeft(this.stores.size, this.removals.size);
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
      if (this.health.isWell) await this.serveReads();
      const fault = await this.commit();
      tries = fault === last ? tries + 1 : 1;
      last = fault;
      const failed = fault !== null && (!this.health.isWell || tries >= TRIES[fault]);
      if (failed) this.onFailed();
      else if (fault === null) this.health.onWorks();
      if (!this.health.isWell) await this.serveReads();
      const done = (this.health.isWell || this.closing) && this.stores.size === 0 && this.removals.size === 0;
      if (done || failed) this.callFlushListeners();
      if (done ? this.reads.length === 0 && this.flushListeners.length === 0 : failed && this.closing) break;
      if (failed) await this.pause();
    }
    this.running = false;
  }

  /** One round of commits; answers what the first failure among them says about the next try. */
  private async commit(): Promise<Fault | null> {
    const broken = await this.attempt(() => this.handle.mend((byServer) => this.settle(byServer)));
    if (broken) return broken;
    const stores = await this.attempt(() => this.commitStores());
    if (stores === 'locked' || stores === 'displaced') return stores;
    // On a full disk they may still go, and make room.
    const removals = await this.attempt(() => this.commitRemovals());
    if (stores ?? removals) return stores ?? removals;
    // Senders may have gone elsewhere since they were refused: nobody but us would find out that it works again.
    return this.health.isWell ? null : this.attempt(() => this.probe());
  }

  private async attempt(work: () => Promise<void>): Promise<Fault | null> {
    try {
      await work();
      return null;
    } catch (cause) {
      this.health.onFailure(cause);
      return this.note(cause);
    }
  }

  /** Says what a failure means for the next try, and has the connection mended before that if it takes it. */
  private note(cause: unknown): Fault {
    const fault = faultOf(cause);
    if (fault === 'broken') this.handle.distrust();
    if (fault === 'displaced') this.handle.onDisplaced();
    return fault;
  }

  /** What is on its way out goes first: then all that is counted in memory is counted anew. */
  private async settle(byServer: boolean): Promise<void> {
    while (this.removals.size > 0) await this.commitRemovals();
    this.tallies.forgetAll();
    await this.listener.onDisplaced(byServer);
  }

  /** Tells everybody who waits for a commit: only what was taken already is kept, and tried again. */
  private onFailed(): void {
    const { cause } = this.health;
    this.health.onUnwell(cause);
    const error = errors.notStored(cause);
    for (const request of this.stores.takeRefusable()) request.onSettled({ status: 'refused', error });
    this.removals.fail(errors.notDeletedYet(cause));
    this.callRoomListeners();
  }

  private onReadFailed(cause: unknown): ChatError {
    this.note(cause);
    this.health.onUnwell(cause);
    return errors.notRead(cause);
  }

  /** Lets a while pass after a failure; with nothing to commit, until something is asked for. */
  private async pause(): Promise<void> {
    this.resting = this.stores.size === 0 && this.removals.size === 0;
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
    const batch = new StoreBatch(requests, this.table, this.tallies, insert);
    try {
      await batch.commit(this.clock, (row) => this.listener.onStored(row));
    } catch (cause) {
      // They may be in the table, and their senders are about to hear that they are not.
      if (batch.isInserted || faultOf(cause) === 'broken') this.handle.distrust(batch.unanswered.map(rowOf));
      const error = errors.notStored(cause);
      for (const request of batch.unanswered) if (request.hasEnded) request.onSettled({ status: 'refused', error });
      this.stores.putBack(batch.unanswered.filter((request) => !request.hasEnded));
      throw cause;
    }
    this.tallies.trim();
    for (const row of await batch.overflow(MAX_BATCH)) this.remove(row, 'evicted');
    this.callRoomListeners();
  }

  /** While the store fails as much as there is time for until the next try: it may be what makes room. */
  private async commitRemovals(): Promise<void> {
    const end = performance.now() + RETRY_MS;
    do {
      await this.removals.commit((row, ending) => {
        this.tallies.subtract(row);
        this.listener.onRemoved(row, ending);
      });
    } while (!this.health.isWell && this.removals.size > 0 && performance.now() < end);
  }

  private async probe(): Promise<void> {
    await this.handle.database.roomForInserts();
    await this.table.probe();
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

function rowOf({ message: { to, from, id }, position }: StoreRequest): RowKey {
  return { to, from, id, position };
}
