import type { RemovalReason, SpareReason, StoredHeader } from '../delivery/mailbox-store.js';
import type { Emitter } from '../options/emitter.js';
import type { Message } from '../protocol/message.js';
import type { MovedMark } from '../protocol/news.js';

/** One statement that was committed: how many rows it was asked to insert or delete, and how long the disk took. */
export interface Commit {
  readonly statement: 'insert' | 'delete';
  readonly rows: number;
  readonly seconds: number;
}

/** The events of the store, in the order of the commits. */
export interface StoreEvents {
  /** A statement was committed. The counters may not include its rows yet. */
  readonly committed: Emitter<Commit>;
  /** A row was removed; emitted after the commit, and after it was counted. */
  readonly removed: Emitter<StoredHeader, RemovalReason>;
  /** A row may be removed, unless it is in flight; the listener removes it then. */
  readonly spare: Emitter<StoredHeader, SpareReason>;
  /** These messages were committed to the record, or repeat some that are there. */
  readonly recorded: Emitter<readonly Message[]>;
  /** A mark of the record has moved; emitted after the commit. */
  readonly marked: Emitter<MovedMark>;
  /** A row was stored that expires at this time, in milliseconds since 1970. */
  readonly expiring: Emitter<number>;
  /**
   * Somebody else has written into the store. The first value is the highest position that must not be given any more,
   * the second whether it was another server. The next commit begins after all listeners have returned.
   */
  readonly displaced: Emitter<number, boolean>;
}
