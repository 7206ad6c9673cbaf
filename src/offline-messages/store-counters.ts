import type { RecordCounts, RemovalReason, StoreCounts, StoredHeader } from '../delivery/mailbox-store.js';
import { STORED_MESSAGE_BYTES } from '../options/chat.options.js';

/** Counts the rows of the store, and those that were removed since the start, by reason. */
export class StoreCounters implements StoreCounts {
  pending = 0;
  /** Content that waits, in bytes. */
  pendingBytes = 0;
  recovered = 0;
  confirmed = 0;
  expired = 0;
  purged = 0;
  evicted = 0;
  replaced = 0;
  /** Rows that waited when their slots went to another node. */
  handedOver = 0;
  readonly record: RecordCounts = { recorded: 0, expired: 0, erased: 0 };

  /** The room that the waiting messages take, in bytes: their content, and a fixed amount for each. */
  get storedBytes(): number {
    return this.pendingBytes + this.pending * STORED_MESSAGE_BYTES;
  }

  stored({ bytes }: StoredHeader): void {
    this.pending += 1;
    this.pendingBytes += bytes;
  }

  removed({ bytes }: StoredHeader, reason: RemovalReason): void {
    this.pending -= 1;
    this.pendingBytes -= bytes;
    this[reason] += 1;
  }

  /** Slots with so many rows came to this node. */
  tookOver(rows: number, bytes: number): void {
    this.recovered += rows;
    this.pending += rows;
    this.pendingBytes += bytes;
  }

  /** Slots with so many rows went to another node. */
  handOver(rows: number, bytes: number): void {
    this.handedOver += rows;
    this.pending -= rows;
    this.pendingBytes -= bytes;
  }

  /** The rows were counted on the disk; those that were not known count as recovered. */
  recounted(rows: number, bytes: number): void {
    this.recovered += rows - this.pending;
    this.pending = rows;
    this.pendingBytes = bytes;
  }
}
