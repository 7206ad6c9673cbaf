import { Retention } from '../offline-messages/retention.js';
import type { StoreAccess } from '../offline-messages/store-access.js';
import type { RecordCounts } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import type { RecordOptions } from '../options/record-options.js';
import { conversationOf } from '../protocol/conversation.js';
import type { Message } from '../protocol/message.js';
import { positionAt } from '../protocol/position.js';
import { ExpiredTable } from './expired.table.js';

/** Conversations that are remembered for the next sweep; others have to wait until they are written to again. */
const REMEMBERED = 100_000;

/**
 * Deletes what is older than `keepMs`, and the oldest of conversations that have more than `maxPerConversation`. In a
 * cluster one node does the former, and each the latter for what it has written. Some rows go at once, and others have
 * their turn in between.
 */
export class RecordSweep {
  private readonly table: ExpiredTable;
  private readonly retention: Retention;
  /** Conversations that were written to since the last sweep. */
  private written = new Set<string>();
  /** A clock that was set: nothing goes before that time, in milliseconds since 1970. A restart forgets it. */
  private deferredUntil = 0;

  constructor(
    private readonly access: StoreAccess,
    private readonly options: RecordOptions,
    clock: Clock,
    private readonly counts: Pick<RecordCounts, 'expired'>,
  ) {
    this.table = new ExpiredTable(access);
    const swept = {
      expire: (before: number) => this.sweep(before),
      sweepAfter: () => Promise.resolve(this.deferredUntil),
      deferSweep: (until: number) => {
        this.deferredUntil = until;
        return Promise.resolve();
      },
    };
    this.retention = new Retention(swept, { retentionMs: options.keepMs, clock });
  }

  start(): void {
    this.retention.start();
  }

  stop(): void {
    this.retention.stop();
  }

  note(messages: readonly Message[]): void {
    if (this.options.maxPerConversation === null) return;
    for (const { from, to } of messages) {
      if (this.written.size < REMEMBERED) this.written.add(conversationOf(from, to));
    }
  }

  /** Deletes what was recorded before that time, in milliseconds since 1970, and what is too much. */
  async sweep(before: number): Promise<void> {
    const { slots } = this.access;
    const { maxPerConversation } = this.options;
    if (slots === null || slots.hasSlot(0))
      await this.repeat(() => this.access.changeInTurn(() => this.table.removeBefore(positionAt(before))));
    if (maxPerConversation === null) return;
    const { written } = this;
    this.written = new Set();
    for (const conversation of written)
      await this.repeat(() => this.access.changeInTurn(() => this.table.removeAbove(conversation, maxPerConversation)));
  }

  private async repeat(remove: () => Promise<{ removed: number; hasMore: boolean }>): Promise<void> {
    for (let hasMore = true; hasMore;) {
      const step = await remove();
      this.counts.expired += step.removed;
      hasMore = step.hasMore && step.removed > 0;
    }
  }
}
