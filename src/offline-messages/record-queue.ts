import type { RecordCounts, RecordPort, RecordRequest } from '../delivery/mailbox-store.js';
import type { CommitQueue } from './commit-queue.js';
import type { StoreWriter } from './store-writer.js';

/** The way to the record for messages and marks: they are committed with what is stored in the same round. */
export class RecordQueue implements RecordPort {
  constructor(
    private readonly queue: CommitQueue,
    private readonly writer: StoreWriter,
    /** What has become of messages of the record since the start. */
    readonly counts: RecordCounts,
  ) {}

  get isFull(): boolean {
    return this.writer.records.isFull;
  }

  get upTo(): number {
    return this.writer.recordedUpTo;
  }

  add(request: RecordRequest): void {
    this.queue.record(request);
  }

  markDelivered(user: string, peer: string, position: number): void {
    this.queue.mark({ user, peer, delivered: position, read: null });
  }

  /** A user has read a conversation up to a position. Resolves after the commit; rejects with STORE_UNAVAILABLE. */
  markRead(user: string, peer: string, upTo: number): Promise<void> {
    return this.queue.marked({ user, peer, delivered: null, read: upTo });
  }
}
