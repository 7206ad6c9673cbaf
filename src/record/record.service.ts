import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import type { RecordCounts } from '../delivery/mailbox-store.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import { errors } from '../protocol/chat-error.js';
import { conversationOf } from '../protocol/conversation.js';
import type { MovedMark } from '../protocol/news.js';
import type { Conversation, HistoryPage, HistoryPlace, RecordedMessage, SyncPage } from './record.js';
import { RecordSweep } from './record-sweep.js';
import { RecordTable } from './record.table.js';

/**
 * What was said, for whoever asks: reads go to the database from the node that is asked, between two of its commits.
 * They reject with STORE_UNAVAILABLE when the database can't be read, and with NOT_RECORDED when `record` is off. Who may
 * ask is decided by the rooms above.
 */
@Injectable()
export class RecordService implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('Record');
  /** A mark has moved, and is committed. */
  readonly moved: Emitter<MovedMark>;
  /** The highest position that somebody was told: what is accepted from now on has to lie above it. */
  readonly told = new Emitter<number>(this.logger, 'told');
  private readonly table: RecordTable;
  /** Null where nothing is recorded. */
  private readonly sweep: RecordSweep | null;

  constructor(
    @Inject(CHAT_OPTIONS) { record, clock }: ChatOptions,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
  ) {
    const { access } = store;
    this.table = new RecordTable(access.statements);
    this.moved = store.marked;
    this.sweep = record && new RecordSweep(access, record, clock, this.counts);
    if (this.sweep) store.recorded.on((messages) => this.sweep?.note(messages));
  }

  /**
   * How many messages were recorded since the start, have expired, and were changed or deleted by an erasure. All are 0 when
   * it is off.
   */
  get counts(): RecordCounts {
    return this.store.record?.counts ?? { recorded: 0, expired: 0, erased: 0 };
  }

  onModuleInit(): void {
    this.sweep?.start();
  }

  onModuleDestroy(): void {
    this.sweep?.stop();
  }

  /** Returns the newest messages of a conversation, or those before or after a position; `limit` of them at most. */
  async history(
    user: string,
    { with: peer, before, after, limit }: HistoryPlace & { readonly with: string; readonly limit: number },
  ): Promise<HistoryPage> {
    const conversation = conversationOf(user, peer);
    const { rows, hasMore } = await this.read(() =>
      after === undefined
        ? this.table.before(conversation, before ?? Number.MAX_SAFE_INTEGER, limit)
        : this.table.after(conversation, after, limit),
    );
    this.tell(rows);
    const older = after !== undefined || hasMore ? rows[0] : undefined;
    const newer = before !== undefined || (after !== undefined && hasMore) ? rows.at(-1) : undefined;
    return { items: rows, before: older?.position ?? null, after: newer?.position ?? null };
  }

  /**
   * Returns what was recorded for a user since a cursor, received and sent. Without a cursor, or with one that is too old
   * or unknown, it has no items, only the cursor of now.
   */
  async sync(
    user: string,
    { after, limit }: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<SyncPage> {
    return this.read(async () => {
      // Before the messages: all up to this number are committed.
      const { lastNumber, keptFrom } = await this.table.numbersOf(user);
      if (after === undefined || after < keptFrom || after > lastNumber)
        return { items: [], after: lastNumber, hasMore: false, isComplete: false };
      const { rows, hasMore } = await this.table.since(user, after, limit);
      this.tell(rows);
      // After the messages: what was deleted while they were read may be missing.
      const now = await this.table.numbersOf(user);
      if (after < now.keptFrom) return { items: [], after: now.lastNumber, hasMore: false, isComplete: false };
      return {
        items: rows.map(({ number: _own, ...message }) => message),
        after: hasMore ? rows.at(-1)!.number : Math.max(lastNumber, rows.at(-1)?.number ?? 0),
        hasMore,
        isComplete: true,
      };
    });
  }

  /** Returns conversations of a user, the newest first. `before` is the place of the next page. */
  async conversations(
    user: string,
    { before, limit }: { readonly before?: number | undefined; readonly limit: number },
  ): Promise<{ readonly items: readonly Conversation[]; readonly before: number | null }> {
    const { rows, hasMore } = await this.read(() =>
      this.table.conversations(user, before ?? Number.MAX_SAFE_INTEGER, limit),
    );
    this.tell(rows.flatMap(({ last }) => last ?? []));
    return { items: rows, before: hasMore ? rows.at(-1)!.newest : null };
  }

  /** Whether two users have a conversation. */
  has(user: string, peer: string): Promise<boolean> {
    return this.read(() => this.table.has(conversationOf(user, peer), user));
  }

  /** Returns how much a user has not read, of one conversation or of all together; 1,000 stands for that and more. */
  unread(user: string, peer?: string): Promise<number> {
    return this.read(() =>
      peer === undefined ? this.table.unreadOfAll(user) : this.table.unread(conversationOf(user, peer), user),
    );
  }

  /**
   * A user has read a conversation up to a position. Resolves after the commit; rejects with STORE_UNAVAILABLE. A
   * position before the mark, or in a conversation that does not exist, changes nothing.
   */
  async markRead(user: string, peer: string, upTo: number): Promise<void> {
    if (this.store.record === null) throw errors.notRecorded();
    return this.store.record.markRead(user, peer, upTo);
  }

  private async read<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.store.record === null) throw errors.notRecorded();
    return this.store.access.inTurn(run);
  }

  private tell(messages: readonly RecordedMessage[]): void {
    if (messages.length > 0) this.told.emit(Math.max(...messages.map(({ position }) => position)));
  }
}
