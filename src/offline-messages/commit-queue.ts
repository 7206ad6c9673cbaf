import { Logger } from '@nestjs/common';
import type { Clock } from '../options/clock.js';
import { inNoContext } from '../options/no-context.js';
import { ChatError } from '../protocol/chat-error.js';
import type { MailboxTallies } from './mailbox-tally.js';
import type { OfflineMessageTable, StoredHeader, StoredMessage } from './offline-message.table.js';
import { Removals, type Ending, type RemovalWatcher } from './removals.js';
import { StoreBatch, type StoreRequest } from './store-batch.js';
import { faultOf, type Fault } from './store-fault.js';
import type { StoreHandle } from './store-handle.js';
import { MAX_BATCH, WaitingStores } from './waiting-stores.js';

/** Pause before the next try after a failure, in milliseconds. */
const RETRY_MS = 250;
/**
 * How often a locked file is tried before senders are told, with reads in between. SQLite waits 250 ms each time: a
 * backup or another process's commit takes less than the two seconds that this makes.
 */
const LOCKED_TRIES = 8;

/** One statement that was committed: how many rows it was asked to insert or delete, and how long the disk took. */
export interface Commit {
  readonly statement: 'insert' | 'delete';
  readonly rows: number;
  readonly seconds: number;
}

/** What is not committed yet: messages to insert, their content in bytes, and rows to delete. */
export interface QueueDepth {
  readonly inserts: number;
  readonly bytes: number;
  readonly deletes: number;
}

/** What the owner of the queue hears, in the order of the commits. */
export interface CommitListener {
  onCommitted(commit: Commit): void;
  onStored(row: StoredMessage): void;
  onRemoved(row: StoredHeader, ending: Ending): void;
}

/**
 * The one way to the table: group commit. What gathers while a commit is under way goes into the next, one statement
 * for all inserts and one for all deletes, each committed by itself; then come the reads. Nothing here opens a
 * transaction, and the connection belongs to the queue alone.
 *
 * It does not promise that a message offered to it is stored: that is what `onSettled` tells.
 */
export class CommitQueue {
  private readonly logger = new Logger('OfflineMessages');
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
  private cause: unknown;
  /** False from a failure to the next message, or probe, that is committed. */
  healthy = true;
  /** How often a commit failed, with every try to recover that did. */
  failures = 0;

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly tallies: MailboxTallies,
    private readonly handle: StoreHandle,
    private readonly clock: Clock,
    private readonly listener: CommitListener,
  ) {
    this.removals = new Removals((rows) => this.timed('delete', rows.length, () => table.remove(rows)));
  }

  /**
   * True when no more should be offered until `whenRoom` calls back. Never while the store fails: what is offered is
   * refused within half a second then, and from a sender that is held up no confirmation would be read either.
   */
  get isFull(): boolean {
    return this.healthy && this.stores.isFull;
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

  /** Says whether this row is on its way out of the store. */
  isLeaving(position: number): boolean {
    return this.removals.has(position);
  }

  /** Waits until all that was asked for is committed. What the store refuses even now is tried once, then given up and logged. */
  async close(): Promise<void> {
    this.closing = true;
    this.wake?.();
    await this.idle;
    if (this.stores.size + this.removals.size > 0) {
      this.logger.error(
        `The store failed to the end: ${this.stores.size} messages were in memory only and are lost, none with a receipt; ${this.removals.size} that had left are still in the file and may come again.`,
      );
    }
  }

  private start(): void {
    if (this.resting) this.wake?.();
    if (this.running) return;
    this.running = true;
    this.idle = inNoContext(() => this.run());
  }

  private async run(): Promise<void> {
    await endOfTurn();
    for (let lockedTries = 0; ;) {
      // Before the commit, which waits for the disk: whoever reads a backlog would wait with it for every page.
      if (this.healthy) await this.serveReads();
      const fault = await this.commit();
      lockedTries = fault === 'locked' ? lockedTries + 1 : 0;
      const failed = fault === 'locked' ? !this.healthy || lockedTries >= LOCKED_TRIES : fault !== null;
      if (failed) this.onFailed();
      else if (fault === null) this.onWorks();
      if (!this.healthy) await this.serveReads();
      const done = (this.healthy || this.closing) && this.stores.size === 0 && this.removals.size === 0;
      if (done || failed) this.callFlushListeners();
      if (done ? this.reads.length === 0 && this.flushListeners.length === 0 : failed && this.closing) break;
      if (failed) await this.pause();
    }
    this.running = false;
  }

  /** One round of commits; answers what the first failure among them says about the next try. */
  private async commit(): Promise<Fault | null> {
    const broken = await this.attempt(() => this.handle.mend());
    if (broken) return broken;
    const stores = await this.attempt(() => this.commitStores());
    if (stores === 'locked') return stores;
    // On a full disk they may still go, and make room.
    const removals = await this.attempt(() => this.commitRemovals());
    if (stores ?? removals) return stores ?? removals;
    // Senders may have gone elsewhere since they were refused: nobody but us would find out that it works again.
    return this.healthy ? null : this.attempt(() => this.table.probe());
  }

  private async attempt(work: () => Promise<void>): Promise<Fault | null> {
    try {
      await work();
      return null;
    } catch (cause) {
      this.failures += 1;
      this.cause = cause;
      const fault = faultOf(cause);
      if (fault === 'broken') this.handle.distrust();
      return fault;
    }
  }

  /** Tells everybody who waits for a commit: only what was taken already is kept, and tried again. */
  private onFailed(): void {
    this.onUnhealthy(this.cause);
    const error = unavailable('the message was not stored; send it again later', this.cause);
    for (const request of this.stores.takeRefusable()) request.onSettled({ status: 'refused', error });
    this.removals.fail(unavailable('the store fails; what was found is deleted when it works again', this.cause));
    this.callRoomListeners();
  }

  private onReadFailed(cause: unknown): ChatError {
    if (faultOf(cause) === 'broken') this.handle.distrust();
    this.onUnhealthy(cause);
    return unavailable('the store can not be read; try again later', cause);
  }

  private onUnhealthy(cause: unknown): void {
    if (this.healthy) this.logger.error(`The store fails: ${String(cause)}`);
    this.healthy = false;
  }

  private onWorks(): void {
    if (!this.healthy) this.logger.log('The store works again.');
    this.healthy = true;
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
    this.listener.onCommitted({ statement, rows, seconds: (performance.now() - begun) / 1000 });
    return changed;
  }

  private async commitStores(): Promise<void> {
    const requests = this.stores.takeBatch();
    if (requests.length === 0) return;
    const insert = (rows: readonly StoredMessage[]) => this.timed('insert', rows.length, () => this.table.insert(rows));
    const batch = new StoreBatch(requests, this.table, this.tallies, insert);
    try {
      await batch.commit(this.clock, (row) => this.listener.onStored(row));
    } catch (cause) {
      // They may be in the table, and their senders are about to hear that they are not.
      if (batch.isInserted || faultOf(cause) === 'broken') this.handle.distrust(batch.unanswered.map(rowOf));
      this.stores.putBack(batch.unanswered);
      throw cause;
    }
    this.tallies.trim();
    for (const row of await batch.overflow(MAX_BATCH)) this.remove(row, 'evicted');
    this.callRoomListeners();
  }

  private commitRemovals(): Promise<void> {
    return this.removals.commit(MAX_BATCH, (row, ending) => {
      this.tallies.subtract(row);
      this.listener.onRemoved(row, ending);
    });
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

function unavailable(message: string, cause: unknown): ChatError {
  return new ChatError('STORE_UNAVAILABLE', message, { cause });
}

function rowOf({ message, position }: StoreRequest): Pick<StoredMessage, 'to' | 'position'> {
  return { to: message.to, position };
}

/** Lets a turn of the event loop end: all that its other callbacks ask for goes into the same commit. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
