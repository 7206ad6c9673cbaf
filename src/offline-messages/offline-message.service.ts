import { Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type {
  FirstPage,
  MailboxKey,
  MailboxStore,
  Page,
  RemovalReason,
  SpareReason,
  StoreCounts,
  StoredHeader,
  StoredKey,
  StoredMessage,
  StoreRequest,
} from '../delivery/mailbox-store.js';
import type { ChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import { BatchLoader } from './batch-loader.js';
import { CommitQueue, type QueueDepth } from './commit-queue.js';
import { LastSeen } from './last-seen.js';
import { MailboxUsage } from './mailbox-usage.js';
import { MassRemoval, REMOVED_AT_ONCE } from './mass-removal.js';
import { NoticeTable } from './notice.table.js';
import { OfflineMessageTable } from './offline-message.table.js';
import { NodeOwnership, type NodeIdentity } from './node-ownership.js';
import { NodeStore } from './node-store.js';
import { Ownership, type StoreOwnership } from './ownership.js';
import { PendingListTable } from './pending-list.table.js';
import { PendingLists, type OpenReader } from './pending-lists.js';
import { Retention, type SweptStore } from './retention.js';
import type { Message } from '../protocol/message.js';
import type { MovedMark } from '../protocol/news.js';
import { RecordQueue } from './record-queue.js';
import { RecordRows } from './record-rows.js';
import { Statements } from './statements.js';
import type { StoreAccess } from './store-access.js';
import { StoreCounters } from './store-counters.js';
import type { Commit, StoreEvents } from './store-events.js';
import { IN_MEMORY, StoreHandle, type HandledDatabase } from './store-handle.js';
import { StoreWatch } from './store-watch.js';
import { TimeToLive } from './time-to-live.js';
import { UserRemoval } from './user-removal.js';
import { StoreWriter } from './store-writer.js';

/** Mailboxes that are counted in one statement. */
const COUNTED_AT_ONCE = 1_000;
/** A page of a backlog ends with the message that brings its content to this many bytes. */
const PAGE_BYTES = 1024 * 1024;
/** A backlog of at most this many messages is read together with others, in one statement. */
const SHORT_BACKLOG = 16;
const SHORT_BACKLOGS_AT_ONCE = 16;

/**
 * The messages that wait on the disk. The service commits in groups, keeps the caps of each mailbox, expires messages
 * that were not fetched, purges and evicts, and counts every reason of removal. Delivery decides which messages wait,
 * and when a confirmed one is removed.
 */
@Injectable()
export class OfflineMessageService implements MailboxStore, StoreEvents, SweptStore {
  private static readonly logger = new Logger('OfflineMessages');
  readonly committed = new Emitter<Commit>(OfflineMessageService.logger, 'committed');
  readonly removed = new Emitter<StoredHeader, RemovalReason>(OfflineMessageService.logger, 'removed');
  readonly spare = new Emitter<StoredHeader, SpareReason>(OfflineMessageService.logger, 'spare');
  readonly expiring = new Emitter<number>(OfflineMessageService.logger, 'expiring');
  readonly recorded = new Emitter<readonly Message[]>(OfflineMessageService.logger, 'recorded');
  readonly marked = new Emitter<MovedMark>(OfflineMessageService.logger, 'marked');
  readonly displaced = new Emitter<number, boolean>(OfflineMessageService.logger, 'displaced');
  /** What waits, for an administrator who asks. */
  readonly lists: PendingLists;
  readonly lastSeen: LastSeen;
  /** Who was told that something waits. Nothing is read or written there before somebody asks. */
  readonly notices: NoticeTable;
  /** The way to the record; null where nothing is recorded. */
  readonly record: RecordQueue | null;
  /** The store's connection, for what other rooms read and write there. */
  readonly access: StoreAccess;
  /** Removes what waits for a user, and what the user has sent. */
  readonly userRemoval: UserRemoval;
  private readonly counters = new StoreCounters();
  /** What only a node of a cluster has; null for one server. */
  readonly node: NodeStore | null;
  private readonly ownership: StoreOwnership;
  private readonly table: OfflineMessageTable;
  private readonly usage: MailboxUsage;
  private readonly writer: StoreWriter;
  private readonly queue: CommitQueue;
  private readonly waitingCounts: BatchLoader<number>;
  private readonly shortBacklogs: BatchLoader<StoredMessage[]>;
  private readonly retention: Retention;
  private readonly timeToLive: TimeToLive;
  private readonly massRemoval: MassRemoval;
  private readonly watch: StoreWatch;
  private takenUpTo = 0;

  constructor(
    dataSource: DataSource,
    private readonly options: ChatOptions,
    private readonly database: HandledDatabase = IN_MEMORY,
    openReader: OpenReader | null = null,
    identity: NodeIdentity | null = null,
  ) {
    const statements = new Statements(dataSource);
    const asNode = identity === null ? null : new NodeOwnership(statements, identity);
    const slots = asNode?.slots ?? null;
    this.ownership = asNode ?? new Ownership(statements);
    const { fence } = this.ownership;
    this.table = new OfflineMessageTable(statements, fence, slots);
    this.usage = new MailboxUsage(this.table, options, this.counters);
    const ownLists = new PendingListTable(statements);
    this.lists = new PendingLists((read) => this.queue.read(() => read(ownLists)), openReader, statements.dialect);
    const inTurn: StoreAccess['inTurn'] = (run) => this.queue.read(run);
    const changeInTurn: StoreAccess['inTurn'] = (run) => inTurn(() => database.makeRoomForRemovals(false).then(run));
    this.notices = new NoticeTable(statements, fence, inTurn, slots);
    this.access = { statements, fence, slots, inTurn, changeInTurn };
    const reopen = () => {
      void this.lists.closeReader(); // It never rejects.
      return database.reopen();
    };
    const rows = options.record === null ? null : new RecordRows(statements, fence);
    const handle = new StoreHandle(this.table, this.ownership, { ...database, reopen }, rows);
    this.writer = new StoreWriter(handle, this.usage, this.counters, this, options.clock);
    this.queue = new CommitQueue(this.writer, options.clock, slots);
    this.record = rows && new RecordQueue(this.queue, this.writer, this.counters.record);
    this.node = asNode && new NodeStore(asNode, handle, this.writer, this.queue, options.clock);
    this.lastSeen = new LastSeen(statements, inTurn, database, options.clock, slots);
    this.retention = new Retention(this, options);
    this.timeToLive = new TimeToLive(
      {
        overdue: (...parameters) => this.queue.read(() => this.table.extras.overdue(...parameters)),
        nextExpiry: (now) => this.queue.read(() => this.table.extras.nextExpiry(now)),
      },
      options.clock,
      (row) => this.spare.emit(row, 'expired'),
    );
    this.expiring.on((expiresAt) => this.timeToLive.expect(expiresAt));
    this.massRemoval = new MassRemoval(this.queue, slots);
    this.userRemoval = new UserRemoval(this.access, this.table, this.notices, this.massRemoval);
    this.watch = new StoreWatch(options.clock, async () => {
      this.checkHealth();
      await this.queue.read(() => this.ownership.check()); // A read that fails makes the store unhealthy.
    });
    this.waitingCounts = new BatchLoader(this.queue, COUNTED_AT_ONCE, (mailboxes) => this.table.counts(mailboxes));
    this.shortBacklogs = new BatchLoader(this.queue, SHORT_BACKLOGS_AT_ONCE, (mailboxes) =>
      this.table.backlogs(mailboxes),
    );
  }

  /**
   * Takes the store and counts what an earlier run left. Nothing may be stored before, because positions go on from the
   * highest that was ever reserved.
   */
  async open(): Promise<void> {
    if (this.node === null) {
      await this.ownership.take();
      await this.table.removeProbeRow();
      this.takenUpTo = await this.writer.recount();
      const nextExpiry = await this.table.extras.nextExpiry(0);
      if (nextExpiry !== null) this.timeToLive.expect(nextExpiry);
    }
    // What waits in new slots may have a `ttl`: a look finds out when it ends.
    this.node?.acquired.on(() => this.timeToLive.expect(this.options.clock.now()));
    this.retention.start();
    this.watch.start();
  }

  /** Commits what was asked for and stops the sweeps. */
  async close(): Promise<void> {
    this.retention.stop();
    this.timeToLive.stop();
    this.watch.stop();
    await Promise.all([this.lastSeen.close(() => this.isHealthy), this.lists.close(), this.queue.close()]);
  }

  /** No position up to this may be given any more: it is the highest that was reserved before the store was opened. */
  get lastPosition(): number {
    return this.takenUpTo;
  }

  get counts(): StoreCounts {
    return this.counters;
  }

  /** The room that the waiting messages take, in bytes: their content, and a fixed amount for each. */
  get storedBytes(): number {
    return this.counters.storedBytes;
  }

  /** False while the disk takes no messages or could not be read, until the next commit succeeds. */
  get isHealthy(): boolean {
    return this.writer.health.isHealthy;
  }

  /** Checks whether the database is still the one that was opened; returns whether messages can be stored now. */
  checkHealth(): boolean {
    try {
      this.database.check();
    } catch (cause) {
      this.queue.markBroken(cause);
    }
    return this.isHealthy;
  }

  /** How many commits, and tries to recover, have failed. */
  get failures(): number {
    return this.writer.health.failures;
  }

  /** What was asked for and is not committed yet. */
  get queueDepth(): QueueDepth {
    return this.queue.depth;
  }

  /** True when senders should be held up until `whenRoom` calls back. */
  get isFull(): boolean {
    return this.writer.isFull;
  }

  whenRoom(callback: () => void): void {
    this.writer.whenRoom(callback);
  }

  /** Stores a message in the next commit; its `onSettled` is called after it. */
  store(request: StoreRequest): void {
    this.queue.store(request);
  }

  /** Takes back a message whose commit has not begun; returns false when it has. */
  cancel(request: StoreRequest): boolean {
    return this.queue.cancel(request);
  }

  /** Deletes a stored message in the next commit. */
  remove(row: StoredHeader, reason: RemovalReason): void {
    this.queue.remove(row, reason);
  }

  /** Resolves when everything that was asked for is committed, or could not be. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /**
   * Returns the first messages of a mailbox with a position above `after` and up to `upTo`, in order: at most `limit`,
   * and none after the one that brings their content to PAGE_BYTES. Rejects when the disk cannot be read.
   */
  async page(mailbox: MailboxKey, after: number, upTo: number, limit: number): Promise<Page> {
    const rows = await this.queue.read(() => this.table.page(mailbox, after, upTo, limit, PAGE_BYTES));
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    return { rows, isLast: rows.length < limit && bytes < PAGE_BYTES };
  }

  /** Counts what waits in a mailbox, and reads its first messages as `page` does. */
  async firstPage(mailbox: MailboxKey, upTo: number, limit: number): Promise<FirstPage> {
    const pending = await this.count(mailbox);
    if (pending === 0) return { pending, rows: [], isLast: true };
    if (!this.isShort(pending)) return { pending, ...(await this.page(mailbox, 0, upTo, limit)) };
    const backlog = (await this.shortBacklogs.load(mailbox)) ?? [];
    const rows = backlog.filter(({ position }) => position <= upTo);
    return { pending, rows: rows.slice(0, limit), isLast: rows.length <= limit };
  }

  /** Returns whether this row is about to be deleted. */
  isBeingRemoved(row: StoredKey): boolean {
    return this.queue.isBeingRemoved(row);
  }

  /** Returns how many messages wait in this mailbox. */
  async count(mailbox: MailboxKey): Promise<number> {
    return (await this.waitingCounts.load(mailbox)) ?? 0;
  }

  /**
   * Deletes what waits in this mailbox, or only one message of one sender; returns how many were deleted. Rejects with
   * STORE_UNAVAILABLE while the store fails; what it had found by then is deleted as soon as the store works again. The
   * same on a node that is not the home of the mailbox.
   */
  purge(mailbox: MailboxKey, one?: { from: string; id: string }): Promise<number> {
    const find = () => (one ? this.table.withIds([{ mailbox, ...one }]) : this.table.oldest(mailbox, REMOVED_AT_ONCE));
    return this.massRemoval.removeIn(mailbox, find, 'purged');
  }

  async expire(before: number): Promise<void> {
    await this.massRemoval.removeWhile(() => this.table.storedBefore(before, REMOVED_AT_ONCE), 'expired');
    await this.lastSeen.expire(before);
  }

  sweepAfter(): Promise<number> {
    return this.queue.read(() => this.ownership.sweepAfter());
  }

  deferSweep(until: number): Promise<void> {
    return this.queue.read(() => this.ownership.deferSweep(until));
  }

  private isShort(pending: number): boolean {
    return pending <= SHORT_BACKLOG && pending * this.options.maxContentBytes <= PAGE_BYTES;
  }
}
