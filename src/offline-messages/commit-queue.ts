import { Logger } from '@nestjs/common';
import type { Clock } from '../options/clock.js';
import { ChatError } from '../protocol/chat-error.js';
import type { MailboxTallies } from './mailbox-tally.js';
import type { OfflineMessageTable, StoredHeader, StoredMessage } from './offline-message.table.js';
import { StoreHealth } from './store-health.js';
import { StoreBatch, type StoreRequest } from './store-batch.js';

/** Rows in one statement. More gain nothing: 100 rows a statement reach 33,000 rows/s, 1,000 reach 51,000. */
const MAX_BATCH = 1_000;
/** Content in one statement, in bytes, so that its JSON parameter stays small. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** From here on senders are paused: more would only wait longer, in memory. */
const FULL_ROWS = 8_000;
const FULL_BYTES = 16 * 1024 * 1024;
/** Pause before the next try after a failure, in milliseconds. */
const RETRY_MS = 250;

/** How a message left the store [protocol 2.3]. */
export type Ending = 'confirmed' | 'expired' | 'purged' | 'evicted';

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

interface Removal {
  readonly row: StoredHeader;
  readonly ending: Ending;
  readonly onRemoved: ((removed: boolean) => void) | undefined;
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
  private stores: StoreRequest[] = [];
  private storeBytes = 0;
  private readonly removals = new Map<number, Removal>();
  private reads: (() => Promise<void>)[] = [];
  private running = false;
  private idle: Promise<void> = Promise.resolve();
  private closing = false;
  private wake: (() => void) | null = null;
  /** It pauses with nothing to commit, only to ask the disk again later: whatever is asked for need not wait for that. */
  private resting = false;
  private roomListeners: (() => void)[] = [];
  private flushListeners: (() => void)[] = [];
  readonly health: StoreHealth;

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly tallies: MailboxTallies,
    private readonly clock: Clock,
    private readonly listener: CommitListener,
  ) {
    this.health = new StoreHealth(() => table.probe());
  }

  /** True when no more should be offered until `whenRoom` calls back. */
  get isFull(): boolean {
    return this.stores.length >= FULL_ROWS || this.storeBytes >= FULL_BYTES;
  }

  get depth(): QueueDepth {
    return { inserts: this.stores.length, bytes: this.storeBytes, deletes: this.removals.size };
  }

  whenRoom(callback: () => void): void {
    this.roomListeners.push(callback);
  }

  store(request: StoreRequest): void {
    this.stores.push(request);
    this.storeBytes += request.bytes;
    this.start();
  }

  /** Takes a message back before its commit has begun; answers false when it is too late for that. */
  cancel(request: StoreRequest): boolean {
    const index = this.stores.indexOf(request);
    if (index < 0) return false;
    this.stores.splice(index, 1);
    this.storeBytes -= request.bytes;
    return true;
  }

  /** Deletes a stored message; tells after the commit whether it was this call that ended it. The first ending counts. */
  remove(row: StoredHeader, ending: Ending, onRemoved?: (removed: boolean) => void): void {
    if (this.removals.has(row.position)) return onRemoved?.(false);
    this.removals.set(row.position, { row, ending, onRemoved });
    this.start();
  }

  /** Runs a read between two commits. */
  read<Result>(run: () => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.reads.push(() => run().then(resolve, reject));
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
    if (this.stores.length > 0) {
      this.logger.error(
        `The store failed to the end: ${this.stores.length} messages were in memory only and are lost.`,
      );
    }
  }

  private start(): void {
    if (this.resting) this.wake?.();
    if (this.running) return;
    this.running = true;
    this.idle = this.run();
  }

  private async run(): Promise<void> {
    await endOfTurn();
    for (;;) {
      const works = await this.commit();
      await this.serveReads();
      const done = this.stores.length === 0 && this.removals.size === 0;
      if (done || !works) this.callFlushListeners();
      const asked = this.reads.length > 0 || this.flushListeners.length > 0;
      if (!asked && (works ? done : this.closing)) break;
      if (!works && !this.closing && !(done && asked)) await this.rest(done);
    }
    this.running = false;
  }

  /** Commits what there is; answers whether the disk takes messages. */
  private async commit(): Promise<boolean> {
    const stored = await this.health.attempt(() => this.commitStores());
    const removed = await this.health.attempt(() => this.commitRemovals());
    return stored && removed && this.health.prove();
  }

  /** Lets a while pass after a failure; with nothing to commit, until something is asked for. */
  private async rest(idle: boolean): Promise<void> {
    this.resting = idle;
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

  /** Runs a statement that changes rows; answers the positions of those that it changed. */
  private async timed(statement: Commit['statement'], rows: number, run: () => Promise<Set<number>>) {
    const begun = performance.now();
    const changed = await run();
    if (statement === 'insert' && changed.size > 0) this.health.onInserted();
    this.listener.onCommitted({ statement, rows, seconds: (performance.now() - begun) / 1000 });
    return changed;
  }

  private async commitStores(): Promise<void> {
    const requests = this.takeRequests();
    if (requests.length === 0) return;
    const insert = (rows: readonly StoredMessage[]) => this.timed('insert', rows.length, () => this.table.insert(rows));
    const batch = new StoreBatch(requests, this.table, this.tallies, insert);
    try {
      await batch.commit(this.clock, (row) => this.listener.onStored(row));
    } catch (cause) {
      this.putBack(batch.unanswered, cause);
      throw cause;
    }
    this.tallies.trim();
    for (const row of await batch.overflow(MAX_BATCH)) this.remove(row, 'evicted');
    this.callRoomListeners();
  }

  private takeRequests(): StoreRequest[] {
    let size = 0;
    let bytes = 0;
    for (const request of this.stores) {
      if (size >= MAX_BATCH || (size > 0 && bytes + request.bytes > MAX_BATCH_BYTES)) break;
      size += 1;
      bytes += request.bytes;
    }
    this.storeBytes -= bytes;
    return this.stores.splice(0, size);
  }

  private putBack(requests: readonly StoreRequest[], cause: unknown): void {
    const kept = requests.filter((request) => request.mustKeep);
    this.stores.unshift(...kept);
    for (const request of kept) this.storeBytes += request.bytes;
    const error = new ChatError('STORE_UNAVAILABLE', 'the message was not stored; send it again later', { cause });
    for (const request of requests) if (!request.mustKeep) request.onSettled({ status: 'refused', error });
    this.callRoomListeners();
  }

  private async commitRemovals(): Promise<void> {
    if (this.removals.size === 0) return;
    const batch = [...this.removals.values()].slice(0, MAX_BATCH);
    const removed = await this.timed('delete', batch.length, () => this.table.remove(batch.map(({ row }) => row)));
    for (const { row, ending, onRemoved } of batch) {
      this.removals.delete(row.position);
      if (removed.has(row.position)) {
        this.tallies.subtract(row);
        this.listener.onRemoved(row, ending);
      }
      onRemoved?.(removed.has(row.position));
    }
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

/** Lets the turn of the event loop end: all that its other callbacks ask for goes into the same commit. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
