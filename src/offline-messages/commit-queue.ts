import { Logger } from '@nestjs/common';
import type { Clock } from '../options/clock.js';
import { ChatError } from '../protocol/chat-error.js';
import type { MailboxTallies } from './mailbox-tally.js';
import type { OfflineMessageTable, StoredHeader, StoredMessage } from './offline-message.table.js';
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

/** What the owner of the queue hears, in the order of the commits. */
export interface CommitListener {
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
  private roomListeners: (() => void)[] = [];
  private flushListeners: (() => void)[] = [];
  /** False from a failed commit to the next one that succeeds. */
  healthy = true;

  constructor(
    private readonly table: OfflineMessageTable,
    private readonly tallies: MailboxTallies,
    private readonly clock: Clock,
    private readonly listener: CommitListener,
  ) {}

  /** True when no more should be offered until `whenRoom` calls back. */
  get isFull(): boolean {
    return this.stores.length >= FULL_ROWS || this.storeBytes >= FULL_BYTES;
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
    if (this.running) return;
    this.running = true;
    this.idle = this.run();
  }

  private async run(): Promise<void> {
    // Let the turn of the event loop end first: all that its other callbacks ask for goes into the same commit.
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const stored = await this.attempt(() => this.commitStores());
      const removed = await this.attempt(() => this.commitRemovals());
      await this.serveReads();
      const committed = stored && removed;
      const done = this.stores.length === 0 && this.removals.size === 0;
      if (committed) this.healthy = true;
      if (done || !committed) this.callFlushListeners();
      if (done ? this.reads.length === 0 && this.flushListeners.length === 0 : !committed && this.closing) break;
      if (!committed) await this.pause();
    }
    this.running = false;
  }

  private async attempt(commit: () => Promise<void>): Promise<boolean> {
    try {
      await commit();
      return true;
    } catch (cause) {
      if (this.healthy) this.logger.error(`The store does not take messages: ${String(cause)}`);
      this.healthy = false;
      return false;
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(RETRY_MS, resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }

  private async commitStores(): Promise<void> {
    const requests = this.takeRequests();
    if (requests.length === 0) return;
    const batch = new StoreBatch(requests, this.table, this.tallies);
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
    const removed = await this.table.remove(batch.map(({ row }) => row));
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
