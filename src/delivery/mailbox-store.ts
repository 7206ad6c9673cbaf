import type { Emitter } from '../options/emitter.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Message } from '../protocol/message.js';

/** The token under which Nest hands delivery its MailboxStore. */
export const MAILBOX_STORE = Symbol('MailboxStore');

declare const isMailboxKey: unique symbol;

/** Names one mailbox. Each user has one, whose key equals their name today; only `mailboxKeyOf` may rely on that. */
export type MailboxKey = string & { readonly [isMailboxKey]: true };

/** The key of a user's mailbox. */
export function mailboxKeyOf(user: string): MailboxKey {
  return user as MailboxKey;
}

/** Names a stored row: the message as well as its position, which another message may have had before. */
export interface StoredKey {
  readonly mailbox: MailboxKey;
  readonly position: number;
  readonly from: string;
  readonly id: string;
}

/** What is known of a stored row without its content. */
export interface StoredHeader extends StoredKey {
  readonly to: string;
  /** Length of the content in bytes of UTF-8. */
  readonly bytes: number;
  /** In milliseconds since 1970. */
  readonly sentAt: number;
  /** True if it was confirmed while it was being stored, so that its sender got the receipt `delivered`. */
  readonly wasDeliveredFirst?: boolean;
}

/** A stored row. */
export interface StoredMessage extends StoredHeader, Message {
  /** In milliseconds since 1970. */
  readonly storedAt: number;
}

/** What became of a message that was to be stored. `position`: where it stands in the record, if it is recorded. */
export type StoreOutcome =
  | { readonly status: 'stored'; readonly position?: number | undefined }
  /** The mailbox already has a message of that sender with that id, which was accepted at `sentAt`. */
  | { readonly status: 'duplicate'; readonly sentAt: number; readonly position?: number | undefined }
  | { readonly status: 'refused'; readonly error: ChatError };

/** A message on its way to the disk. */
export interface StoreRequest {
  readonly mailbox: MailboxKey;
  readonly message: Message;
  /** Its position in the order. It changes when somebody else writes into the store; read when its commit begins. */
  readonly position: number;
  readonly bytes: number;
  /** Accepted already: no cap applies, and it is tried again until it is stored. Read when its commit begins. */
  readonly mustKeep: boolean;
  /** Its life is over, so a commit that failed need not be tried again for it. */
  readonly hasEnded: boolean;
  /** It has to be in the record too, and is not known to be there. Read when its commit begins. */
  readonly needsRecord?: boolean;
  /**
   * Called at most once: after its commit, or when it is refused. Never after `cancel`, nor for what a failing store
   * loses at `close`.
   */
  onSettled(outcome: StoreOutcome): void;
}

/** A message on its way to the record that was relayed already: it is tried again until it is there. */
export interface RecordRequest extends Pick<StoreRequest, 'mailbox' | 'message' | 'bytes' | 'mustKeep'> {
  /** Called once, after the commit. A repeat has the position of the first one. */
  onRecorded(position: number): void;
}

/**
 * Messages that were added to the record since the start, left it as their time was over, or were changed or deleted by an
 * erasure.
 */
export interface RecordCounts {
  recorded: number;
  expired: number;
  erased: number;
}

/** The record, as delivery needs it. */
export interface RecordPort {
  readonly counts: Readonly<RecordCounts>;
  /** The highest position in the record when the store was opened, or was displaced last. */
  readonly upTo: number;
  /** True while as much waits for the record as may; then no message may be relayed that has to be recorded. */
  readonly isFull: boolean;
  /** Writes a message into the record in the next commit. */
  add(request: RecordRequest): void;
  /** A message that is in the record has reached its recipient: moves that mark in the next commit. */
  markDelivered(user: string, peer: string, position: number): void;
}

/** Positions that this process alone may give: those above `above`, up to and with `upTo`. */
export interface PositionBlock {
  readonly above: number;
  readonly upTo: number;
  /** The highest position in the record; 0 where nothing is recorded. */
  readonly recordedUpTo?: number;
}

/** Part of what waits in a mailbox. */
export interface Page {
  /** The messages, in order. */
  readonly rows: readonly StoredMessage[];
  /** Nothing follows of what was asked for. */
  readonly isLast: boolean;
}

/** The first part, with the number of messages that wait in all. */
export interface FirstPage extends Page {
  readonly pending: number;
}

/** Why a message was removed from the store [protocol 2.3]. */
export type RemovalReason = 'confirmed' | 'expired' | 'purged' | 'evicted' | 'replaced';

/** Why a row may be removed while it is in flight to nobody: its `ttl` is over, or a newer one has its topic. */
export type SpareReason = 'expired' | 'replaced';

/**
 * How many messages wait, how many of them were found in the store, how many are another node's now, and how many were
 * removed for each reason.
 */
export type StoreCounts = Readonly<Record<RemovalReason | 'pending' | 'recovered' | 'handedOver', number>>;

/** When users who have left were last seen, in milliseconds since 1970. */
export interface LastSeenStore {
  /** Notes it, to be written with those of others. */
  note(user: string, seenAt: number): void;
  /** Returns null when it is not known; rejects with STORE_UNAVAILABLE when the disk can't be read. */
  of(user: string): Promise<number | null>;
}

/**
 * The store, as delivery needs it: it keeps messages by mailbox and position. Delivery decides which messages wait,
 * and when a confirmed one is removed. Reads reject with STORE_UNAVAILABLE when the disk can't be read.
 */
export interface MailboxStore {
  /** A row was removed; emitted after the commit. */
  readonly removed: Emitter<StoredHeader, RemovalReason>;
  /**
   * A row may be removed, unless it is in flight; the listener removes it then. For `replaced` that is emitted before
   * the newer message hears its outcome.
   */
  readonly spare: Emitter<StoredHeader, SpareReason>;
  /**
   * Somebody else has written into the store; emitted between two commits. What is not on the disk needs positions
   * above the first value. The second is true when it was another server, which was given none of the positions given
   * here.
   */
  readonly displaced: Emitter<number, boolean>;
  /** No position up to this may be given any more: it is the highest that was reserved before the store was opened. */
  readonly lastPosition: number;
  readonly counts: StoreCounts;
  readonly lastSeen: LastSeenStore;
  /** Null where nothing is recorded. */
  readonly record: RecordPort | null;
  /** True when senders should be held up until `whenRoom` calls back. */
  readonly isFull: boolean;
  whenRoom(callback: () => void): void;
  /** Stores a message in the next commit; its `onSettled` is called after it. */
  store(request: StoreRequest): void;
  /** Takes back a message whose commit has not begun; returns false when it has. */
  cancel(request: StoreRequest): boolean;
  /** Deletes a row in the next commit. */
  remove(row: StoredHeader, reason: RemovalReason): void;
  /** Counts what waits in a mailbox, and reads its first messages as `page` does. */
  firstPage(mailbox: MailboxKey, upTo: number, limit: number): Promise<FirstPage>;
  /**
   * Returns the first messages with a position above `after` and up to `upTo`, in order: at most `limit`, and none
   * after the one that fills the bytes of a page.
   */
  page(mailbox: MailboxKey, after: number, upTo: number, limit: number): Promise<Page>;
  /**
   * Returns whether this row is about to be deleted. That is enough for a page: reads and commits alternate, so a row
   * that was deleted before the page was read is not in it, and any later delete is still pending when the page comes.
   */
  isBeingRemoved(row: StoredKey): boolean;
  /** Returns how many messages wait in a mailbox. */
  count(mailbox: MailboxKey): Promise<number>;
  /** Resolves when everything that was asked for is committed, or could not be. */
  flush(): Promise<void>;
  /** Commits what was asked for, and stops. */
  close(): Promise<void>;
}
