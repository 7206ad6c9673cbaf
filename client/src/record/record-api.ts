import type { WireHistory } from '../../../src/protocol/wire.js';
import type { ClientOptions, HoldfastClient } from '../api.js';
import type { Conversation, HistoryPlace } from './conversation.js';
import type { RecordStore } from './record-store.js';

/** What `createClient` of `holdfast-client/record` takes. */
export interface RecordClientOptions extends ClientOptions {
  /**
   * Where a copy of the record is kept. Without one it is kept in IndexedDB where `store` is `auto` and that is, and
   * else in the memory.
   */
  readonly recordStore?: RecordStore;
}

/** A page of a conversation, oldest first. `before` and `after` ask for the pages beside it; null where nothing follows. */
export type HistoryPage = Omit<WireHistory, 'id'>;

/**
 * A client that knows the record: what was said, by this user as well, on every device. It keeps a copy of the newest
 * messages, brings it up to date after each reconnect, and tells `record` when it is another one.
 */
export interface RecordClient extends HoldfastClient {
  /** How long the server records, in milliseconds; null when it does not, or has not said so yet. */
  readonly recordMs: number | null;
  /** What is known, the newest first. Another array after each change. */
  readonly conversations: readonly Conversation[];
  /** Unread messages of all of them. */
  readonly unread: number;
  /** Whether `moreConversations` may bring more. The list ends after the newest 1,000. */
  readonly hasMoreConversations: boolean;
  /** What is known of a conversation, also when that is nothing. The same object until it changes. */
  conversation(name: string): Conversation;
  /**
   * Somebody looks at a conversation: asks for its newest messages, now or when there is a connection, and keeps all that
   * `earlier` brings. Returns the function that ends that; then the newest 100 messages are left.
   */
  open(name: string): () => void;
  /**
   * Brings 50 earlier messages of a conversation, and before them its newest ones if those were not asked for yet. Of one
   * that is not open they are kept until something else comes; then the newest 100 are left. Rejects with a RefusedError:
   * NO_ANSWER when it is offline, CONVERSATION_FULL when 10,000 messages of the conversation are in memory.
   */
  earlier(name: string): Promise<void>;
  /** Brings the next 50 conversations of the list. Rejects as `earlier` does. */
  moreConversations(): Promise<void>;
  /**
   * The user has read a conversation up to a position, or all of it. It counts here at once, the server is told when
   * there is a connection, and the other side and the other devices are told then. It never goes back.
   */
  markRead(name: string, upTo?: string): void;
  /**
   * Asks the server for a page of a conversation: the newest messages, or those before or after a position. `limit` is 1
   * to 200, 50 unless given. To have more of `conversation(name)`, call `earlier`. Rejects as `earlier` does.
   */
  history(name: string, place?: HistoryPlace & { readonly limit?: number }): Promise<HistoryPage>;
  /** Asks for all that was recorded since the last time. It happens by itself after each reconnect. */
  sync(): Promise<void>;
}
