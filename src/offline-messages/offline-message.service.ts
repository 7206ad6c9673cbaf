import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { STORED_MESSAGE_BYTES, type ChatOptions } from '../options/chat.options.js';
import { CommitQueue, type Commit, type CommitListener, type QueueDepth } from './commit-queue.js';
import type { Ending } from './removals.js';
import type { StoreRequest } from './store-batch.js';
import { StoreHandle, type Reopen } from './store-handle.js';
import { MailboxTallies } from './mailbox-tally.js';
import { MergedRead } from './merged-read.js';
import { dialectOf } from './dialect.js';
import { PendingListTable } from './pending-list.table.js';
import { PendingLists, type OpenReader } from './pending-lists.js';
import { OfflineMessageTable, type StoredHeader, type StoredMessage } from './offline-message.table.js';

/** Rows that one sweep of expired messages deletes before others may go on. */
const SWEEP_ROWS = 500;
/** Longest time between two sweeps, in milliseconds; with a short retention they come four times in it. */
const SWEEP_MS = 60_000;

/** So many users are counted in one statement. */
const COUNTED_AT_ONCE = 1_000;
/** A page of a backlog ends with the message that brings its content to so many bytes. */
const PAGE_BYTES = 1024 * 1024;
/** A backlog of at most so many messages is read with those of so many others. */
const SHORT_BACKLOG = 16;
const SHORT_BACKLOGS_AT_ONCE = 16;

/** A part of a mailbox. */
export interface Page {
  /** The messages, in order. */
  readonly rows: readonly StoredMessage[];
  /** Nothing follows of what was asked for. */
  readonly isLast: boolean;
  /** How many wait in all, which is asked for with the first page; null in those that follow. */
  readonly pending: number | null;
}

/** How many messages wait, with how many bytes of content, and how many left the store in which way since the start. */
export type StoreCounts = Readonly<Record<Ending | 'pending' | 'pendingBytes' | 'recovered', number>>;

/** Hears of every row that leaves the store, after the commit. */
export type RemovalListener = (row: StoredHeader, ending: Ending) => void;

/**
 * The messages that wait on disk. It commits in groups, keeps the caps of a mailbox, expires what nobody fetched, and
 * counts every way out. Which messages have to wait, and when one may go, is not its business: delivery knows.
 */
@Injectable()
export class OfflineMessageService implements CommitListener {
  /** What waits, for an administrator who asks. */
  readonly lists: PendingLists;
  private readonly table: OfflineMessageTable;
  private readonly tallies: MailboxTallies;
  private readonly queue: CommitQueue;
  private readonly waitingCounts: MergedRead<number>;
  private readonly shortBacklogs: MergedRead<StoredMessage[]>;
  private readonly counters = {
    pending: 0,
    pendingBytes: 0,
    recovered: 0,
    confirmed: 0,
    expired: 0,
    purged: 0,
    evicted: 0,
  };
  private readonly removalListeners: RemovalListener[] = [];
  private readonly commitListeners: ((commit: Commit) => void)[] = [];
  private cancelSweep: (() => void) | null = null;
  private highestPosition = 0;
  private closing = false;

  constructor(
    dataSource: DataSource,
    private readonly options: ChatOptions,
    reopen: Reopen = () => Promise.resolve(),
    openReader: OpenReader | null = null,
  ) {
    this.table = new OfflineMessageTable(dataSource);
    const ownLists = new PendingListTable(dataSource);
    this.lists = new PendingLists(
      (read) => this.queue.read(() => read(ownLists)),
      openReader,
      dialectOf(dataSource.options.type),
    );
    const handle = new StoreHandle(this.table, () => {
      void this.lists.forget(); // It does not reject.
      return reopen();
    });
    this.tallies = new MailboxTallies(this.table, options, () => this.storedBytes);
    this.queue = new CommitQueue(this.table, this.tallies, handle, options.clock, this);
    this.waitingCounts = new MergedRead(this.queue, COUNTED_AT_ONCE, (users) => this.table.counts(users));
    this.shortBacklogs = new MergedRead(this.queue, SHORT_BACKLOGS_AT_ONCE, (users) => this.table.backlogs(users));
  }

  /** Reads what an earlier run left. Until then nothing may be stored, as positions go on from the highest one found. */
  async open(): Promise<void> {
    await this.table.removeProbe();
    const { count, bytes, lastPosition } = await this.table.summary();
    this.counters.pending = this.counters.recovered = count;
    this.counters.pendingBytes = bytes;
    this.highestPosition = lastPosition;
    this.scheduleSweep();
  }

  /** Commits what was asked for and stops the sweeps. */
  async close(): Promise<void> {
    this.closing = true;
    this.cancelSweep?.();
    await Promise.all([this.lists.close(), this.queue.close()]);
  }

  /** The highest position in the store when it was opened. */
  get lastPosition(): number {
    return this.highestPosition;
  }

  get counts(): StoreCounts {
    return this.counters;
  }

  /** The room that what waits takes, in bytes: its content, and what each message counts besides. */
  get storedBytes(): number {
    return this.counters.pendingBytes + this.counters.pending * STORED_MESSAGE_BYTES;
  }

  /** False while the disk does not take messages, or could not be read; true again as soon as it takes one. */
  get isHealthy(): boolean {
    return this.queue.healthy;
  }

  /** How often a commit failed, with every try to recover that did. */
  get failures(): number {
    return this.queue.failures;
  }

  /** What is asked for and not committed. */
  get queueDepth(): QueueDepth {
    return this.queue.depth;
  }

  /** True when senders should be held up until `whenRoom` calls back. */
  get isFull(): boolean {
    return this.queue.isFull;
  }

  whenRoom(callback: () => void): void {
    this.queue.whenRoom(callback);
  }

  onRemoval(listener: RemovalListener): void {
    this.removalListeners.push(listener);
  }

  /** Hears of every commit, after what it changed is counted or while it is. */
  onCommit(listener: (commit: Commit) => void): void {
    this.commitListeners.push(listener);
  }

  /** Stores a message in the next commit; `onSettled` of the request is told after it. */
  store(request: StoreRequest): void {
    this.queue.store(request);
  }

  /** Takes a message back whose commit has not begun; false when it is too late. */
  cancel(request: StoreRequest): boolean {
    return this.queue.cancel(request);
  }

  /** Deletes a stored message in the next commit. */
  remove(row: StoredHeader, ending: Ending): void {
    this.queue.remove(row, ending);
  }

  /** Waits until all that was asked for is committed, or could not be. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /**
   * The first messages of a mailbox with a position above `after` and up to `upTo`, in order: at most `limit`, and none
   * behind the one that brings their content to so many bytes. Rejects when the disk can't be read.
   */
  async page(user: string, after: number, upTo: number, limit: number): Promise<Page> {
    const pending = after === 0 ? await this.count(user) : null;
    if (pending === 0) return { pending, rows: [], isLast: true };
    if (pending !== null && this.isShort(pending)) {
      const backlog = (await this.shortBacklogs.of(user)) ?? [];
      const rows = backlog.filter(({ position }) => position <= upTo);
      return { pending, rows: rows.slice(0, limit), isLast: rows.length <= limit };
    }
    const rows = await this.queue.read(() => this.table.page(user, after, upTo, limit, PAGE_BYTES));
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    return { pending, rows, isLast: rows.length < limit && bytes < PAGE_BYTES };
  }

  /** True for a row that `page` answered although it has been deleted since, or is about to be. */
  isLeaving(row: StoredHeader): boolean {
    return this.queue.isLeaving(row.position);
  }

  /** How many messages wait for this user. */
  async count(user: string): Promise<number> {
    return (await this.waitingCounts.of(user)) ?? 0;
  }

  /**
   * Deletes what waits for this user, or only one message of one sender; answers how many were deleted. While the store
   * fails it rejects with STORE_UNAVAILABLE; what it had found by then is deleted as soon as the store works.
   */
  async purge(user: string, one?: { from: string; id: string }): Promise<number> {
    if (one) return this.removeAll(await this.queue.read(() => this.table.withIds([{ to: user, ...one }])), 'purged');
    return this.removeWhile(() => this.table.oldest(user, SWEEP_ROWS), 'purged');
  }

  onCommitted(commit: Commit): void {
    for (const listener of this.commitListeners) listener(commit);
  }

  onStored(row: StoredMessage): void {
    this.counters.pending += 1;
    this.counters.pendingBytes += row.bytes;
  }

  onRemoved(row: StoredHeader, ending: Ending): void {
    this.counters.pending -= 1;
    this.counters.pendingBytes -= row.bytes;
    this.counters[ending] += 1;
    for (const listener of this.removalListeners) listener(row, ending);
  }

  private isShort(pending: number): boolean {
    return pending <= SHORT_BACKLOG && pending * this.options.maxContentBytes <= PAGE_BYTES;
  }

  private scheduleSweep(): void {
    const { retentionMs, clock } = this.options;
    if (retentionMs === null || this.closing) return;
    this.cancelSweep = clock.after(Math.min(SWEEP_MS, retentionMs / 4), () => {
      this.sweep(retentionMs).then(
        () => this.scheduleSweep(),
        () => this.scheduleSweep(),
      );
    });
  }

  private async sweep(retentionMs: number): Promise<void> {
    const before = this.options.clock.now() - retentionMs;
    await this.removeWhile(() => this.table.storedBefore(before, SWEEP_ROWS), 'expired');
  }

  /** Deletes what `find` answers, until that is less than a full batch: others have their turn in between. */
  private async removeWhile(find: () => Promise<StoredHeader[]>, ending: Ending): Promise<number> {
    let removed = 0;
    for (;;) {
      const rows = await this.queue.read(find);
      removed += await this.removeAll(rows, ending);
      if (rows.length < SWEEP_ROWS) return removed;
    }
  }

  private async removeAll(rows: readonly StoredHeader[], ending: Ending): Promise<number> {
    const removed = await Promise.all(
      rows.map(
        (row) =>
          new Promise<boolean>((resolve, reject) => this.queue.remove(row, ending, { onEnd: resolve, onFail: reject })),
      ),
    );
    return removed.filter(Boolean).length;
  }
}
