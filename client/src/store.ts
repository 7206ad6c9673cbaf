import type { WireMessage } from '../../src/protocol/wire.js';
import type { SendExtras } from './api.js';

/** A direct message in the outbox, whole: a store keeps every field, also those that it does not know. */
export interface OutboxEntry extends SendExtras {
  readonly id: string;
  readonly to: string;
  readonly content: string;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
}

/** A direct message that came in, as it is kept until the handlers are done with it. */
export type InboxMessage = Omit<WireMessage, 'seq'>;

/** Which message this is, for all time: `from` and `id`. A user name never has a line feed. */
export type MessageKey = string;

/** Returns which message this is. */
export function keyOf({ from, id }: Pick<InboxMessage, 'from' | 'id'>): MessageKey {
  return `${from}\n${id}`;
}

/** The last so many messages are known as seen. A server repeats what was not acknowledged: a window at most. */
export const MAX_SEEN = 20_000;

/**
 * Keeps the outbox, the inbox and what was seen. What a resolved promise has written survives the page or process if
 * the store is persistent. `holdfast-client/testing` has the suite that every store has to pass.
 */
export interface Store {
  /** Whether what is written outlives the page or the process. */
  readonly persistent: boolean;
  /** Adds to the end of the outbox. An id that is there already keeps its place. */
  append(entry: OutboxEntry): Promise<void>;
  /** Removes from the outbox. Ids that are not there are ignored. */
  settle(ids: readonly string[]): Promise<void>;
  /** The outbox, in order. */
  outbox(): Promise<readonly OutboxEntry[]>;
  /**
   * Puts those messages into the inbox that were never seen, and returns them, in order. Seeing and keeping is one
   * step, also when two tabs get the same messages.
   */
  receive(messages: readonly InboxMessage[]): Promise<readonly InboxMessage[]>;
  /** The inbox, in order: what was received and not handled. */
  inbox(): Promise<readonly InboxMessage[]>;
  /** Removes from the inbox; the messages stay seen. */
  handled(keys: readonly MessageKey[]): Promise<void>;
  /** Removes everything. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
