import { Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type {
  FirstPage,
  MailboxKey,
  MailboxStore,
  Page,
  RemovalReason,
  StoreCounts,
  StoredHeader,
  StoredKey,
  StoredMessage,
  StoreRequest,
} from '../delivery/mailbox-store.js';
import { STORED_MESSAGE_BYTES, type ChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import type { Commit, CommitListener, QueueDepth } from './commit-listener.js';
import { CommitQueue } from './commit-queue.js';
import { IN_MEMORY, StoreHandle, type HandledDatabase } from './store-handle.js';
import { MailboxUsage } from './mailbox-usage.js';
import { MassRemoval, REMOVED_AT_ONCE } from './mass-removal.js';
import { BatchLoader } from './batch-loader.js';
import { Ownership } from './ownership.js';
import { Retention, type SweptStore } from './retention.js';
import { Statements } from './statements.js';
import { StoreWatch } from './store-watch.js';
import { OfflineMessageTable } from './offline-message.table.js';
import { PendingListTable } from './pending-list.table.js';
import { PendingLists, type OpenReader } from './pending-lists.js';

/** So many users are counted in one statement. */
const COUNTED_AT_ONCE = 1_000;
/** A page of a backlog ends with the message that brings its content to so many bytes. */
const PAGE_BYTES = 1024 * 1024;
/** A backlog of at most so many messages is read with those of so many others. */
const SHORT_BACKLOG = 16;
const SHORT_BACKLOGS_AT_ONCE = 16;

/**
 * The messages that wait on disk. It commits in groups, keeps the caps of a mailbox, expires what nobody fetched, and
 * counts every way out. Which messages have to wait, and when one may go, is not its business: delivery knows.
 */
@Injectable()
export class OfflineMessageService implements MailboxStore, CommitListener, SweptStore {
  /** What waits, for an administrator who asks. */
  readonly lists: PendingLists;
  private readonly logger = new Logger('OfflineMessages');
  readonly removed = new Emitter<StoredHeader, RemovalReason>(this.logger, 'removed');
  readonly displaced = new Emitter<number, boolean>(this.logger, 'displaced');
  private readonly ownership: Ownership;
  private readonly table: OfflineMessageTable;
  private readonly usage: MailboxUsage;
  private readonly queue: CommitQueue;
  private readonly waitingCounts: BatchLoader<number>;
  private readonly shortBacklogs: BatchLoader<StoredMessage[]>;
  private readonly counters = {
    pending: 0,
    pendingBytes: 0,
    recovered: 0,
    confirmed: 0,
    expired: 0,
    purged: 0,
    evicted: 0,
  };
  private readonly commitListeners: ((commit: Commit) => void)[] = [];
  private readonly retention: Retention;
  private readonly massRemoval: MassRemoval;
  private readonly watch: StoreWatch;
  private firstPosition = 0;

  constructor(
    dataSource: DataSource,
    private readonly options: ChatOptions,
    private readonly database: HandledDatabase = IN_MEMORY,
    openReader: OpenReader | null = null,
  ) {
    const statements = new Statements(dataSource);
    this.ownership = new Ownership(statements);
    this.table = new OfflineMessageTable(statements, this.ownership.token);
    this.usage = new MailboxUsage(this.table, options, () => this.storedBytes);
    const ownLists = new PendingListTable(statements);
    this.lists = new PendingLists((read) => this.queue.read(() => read(ownLists)), openReader, statements.dialect);
    const handle = new StoreHandle(this.table, this.ownership, {
      ...database,
      reopen: () => {
        void this.lists.closeReader(); // It does not reject.
        return database.reopen();
      },
    });
    this.queue = new CommitQueue(this.table, this.usage, this.ownership, handle, options.clock, this);
    this.retention = new Retention(this, options);
    this.massRemoval = new MassRemoval(this.queue);
    this.watch = new StoreWatch(options.clock, async () => {
      this.checkHealth();
      await this.queue.read(() => this.ownership.check()); // What fails in it turns the store unhealthy.
    });
    this.waitingCounts = new BatchLoader(this.queue, COUNTED_AT_ONCE, (mailboxes) => this.table.counts(mailboxes));
    this.shortBacklogs = new BatchLoader(this.queue, SHORT_BACKLOGS_AT_ONCE, (mailboxes) =>
      this.table.backlogs(mailboxes),
    );
  }

  /** Takes the store and reads what an earlier run left. Until then nothing may be stored, as positions go on from the highest that was ever given. */
  async open(): Promise<void> {
    await this.ownership.take();
    await this.table.removeProbeRow();
    const { count, bytes, lastPosition } = await this.table.summary();
    this.counters.pending = this.counters.recovered = count;
    this.counters.pendingBytes = bytes;
    this.firstPosition = await this.ownership.raise(lastPosition);
    this.retention.start();
    this.watch.start();
  }

  /** Commits what was asked for and stops the sweeps. */
  async close(): Promise<void> {
    this.retention.stop();
    this.watch.stop();
    await Promise.all([this.lists.close(), this.queue.close()]);
  }

  /** The highest position that was given before the store was opened. */
  get lastPosition(): number {
    return this.firstPosition;
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
    return this.queue.health.isHealthy;
  }

  /** Looks whether the database is still there and ours, and answers whether messages can be stored just now. */
  checkHealth(): boolean {
    try {
      this.database.check();
    } catch (cause) {
      this.queue.markBroken(cause);
    }
    return this.isHealthy;
  }

  /** How often a commit failed, with every try to recover that did. */
  get failures(): number {
    return this.queue.health.failures;
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
  remove(row: StoredHeader, reason: RemovalReason): void {
    this.queue.remove(row, reason);
  }

  /** Waits until all that was asked for is committed, or could not be. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /**
   * The first messages of a mailbox with a position above `after` and up to `upTo`, in order: at most `limit`, and none
   * behind the one that brings their content to so many bytes. Rejects when the disk can't be read.
   */
  async page(mailbox: MailboxKey, after: number, upTo: number, limit: number): Promise<Page> {
    const rows = await this.queue.read(() => this.table.page(mailbox, after, upTo, limit, PAGE_BYTES));
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    return { rows, isLast: rows.length < limit && bytes < PAGE_BYTES };
  }

  /** The first look at a mailbox: counts what waits, and reads its first messages as `page` does. */
  async firstPage(mailbox: MailboxKey, upTo: number, limit: number): Promise<FirstPage> {
    const pending = await this.count(mailbox);
    if (pending === 0) return { pending, rows: [], isLast: true };
    if (!this.isShort(pending)) return { pending, ...(await this.page(mailbox, 0, upTo, limit)) };
    const backlog = (await this.shortBacklogs.load(mailbox)) ?? [];
    const rows = backlog.filter(({ position }) => position <= upTo);
    return { pending, rows: rows.slice(0, limit), isLast: rows.length <= limit };
  }

  /** True for a row that `page` answered although it has been deleted since, or is about to be. */
  isLeaving(row: StoredKey): boolean {
    return this.queue.isLeaving(row);
  }

  /** How many messages wait in this mailbox. */
  async count(mailbox: MailboxKey): Promise<number> {
    return (await this.waitingCounts.load(mailbox)) ?? 0;
  }

  /**
   * Deletes what waits in this mailbox, or only one message of one sender; answers how many were deleted. While the store
   * fails it rejects with STORE_UNAVAILABLE; what it had found by then is deleted as soon as the store works.
   */
  async purge(mailbox: MailboxKey, one?: { from: string; id: string }): Promise<number> {
    if (one)
      return this.massRemoval.removeAll(
        await this.queue.read(() => this.table.withIds([{ mailbox, ...one }])),
        'purged',
      );
    return this.massRemoval.removeWhile(() => this.table.oldest(mailbox, REMOVED_AT_ONCE), 'purged');
  }

  async expire(before: number): Promise<void> {
    await this.massRemoval.removeWhile(() => this.table.storedBefore(before, REMOVED_AT_ONCE), 'expired');
  }

  sweepAfter(): Promise<number> {
    return this.queue.read(() => this.ownership.sweepAfter());
  }

  deferSweep(until: number): Promise<void> {
    return this.queue.read(() => this.ownership.deferSweep(until));
  }

  onCommitted(commit: Commit): void {
    for (const listener of this.commitListeners) listener(commit);
  }

  onStored(row: StoredMessage): void {
    this.counters.pending += 1;
    this.counters.pendingBytes += row.bytes;
  }

  onRemoved(row: StoredHeader, reason: RemovalReason): void {
    this.counters.pending -= 1;
    this.counters.pendingBytes -= row.bytes;
    this.counters[reason] += 1;
    this.removed.emit(row, reason);
  }

  async onDisplaced(byServer: boolean): Promise<void> {
    const { count, bytes, lastPosition } = await this.table.summary();
    const above = await this.ownership.raise(lastPosition);
    this.logger.warn(
      `${byServer ? 'Another server was' : 'Somebody else has written'} in this store: ${count} messages wait in it now, where ${this.counters.pending} did. One server to a store; what both had receipted is in it.`,
    );
    this.counters.recovered += count - this.counters.pending;
    this.counters.pending = count;
    this.counters.pendingBytes = bytes;
    this.displaced.emit(above, byServer);
  }

  private isShort(pending: number): boolean {
    return pending <= SHORT_BACKLOG && pending * this.options.maxContentBytes <= PAGE_BYTES;
  }
}
