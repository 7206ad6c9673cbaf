import type { Connection } from '../connections/connection.js';
import type { News } from '../protocol/news.js';
import type { CheckedRequest } from '../protocol/send-request.js';
import type { Signal } from '../protocol/signal.js';
import type { Ledger } from './ledger.js';
import type { OutcomeListener } from './pending-receipt.js';

/**
 * What the rooms around it ask of delivery. With one server it is the DeliveryService itself; in a cluster it finds the
 * home of each user first.
 */
export abstract class Delivery {
  /** The books of this process. */
  abstract readonly ledger: Ledger;

  /** True when senders should be held up until `whenRoom` calls back. */
  abstract get isFull(): boolean;
  abstract whenRoom(callback: () => void): void;

  /**
   * Accepts a direct message or a broadcast. Everything but its size was checked before; throws CONTENT_TOO_LARGE. The
   * listener is called when the receipt or the refusal is due.
   */
  abstract send(request: CheckedRequest, listener: OutcomeListener): void;

  /**
   * Writes a signal to the connections that its recipient has now, and does so before it returns where they are of this
   * process. One that is behind its backlog, or does not read, gets none: it would come late. Resolves to how many got
   * it, and never rejects.
   */
  abstract signal(signal: Signal): Promise<number>;

  /** Whether a user has a connection that might be told something. */
  abstract hears(user: string): boolean;

  /**
   * Tells a user news, on each JSON connection that is open then. One that is behind its backlog gets no echo, which would
   * come before what was said earlier.
   */
  abstract tell(user: string, news: News): void;

  /** Lets a connection receive: first what waited for its user, then what comes. */
  abstract attach(connection: Connection): void;

  /** Ends a connection's reading: what it has not confirmed is stored. */
  abstract detach(connection: Connection): void;

  /**
   * Everything up to `seq` has reached this connection. Returns how many messages that confirms; null when no message
   * with this seq was ever written to it.
   */
  abstract confirm(connection: Connection, seq: number): number | null;

  /** How many messages are written to this connection and not confirmed. */
  abstract inFlight(connection: Connection): number;

  /** How many messages wait for this user in the store; rejects with STORE_UNAVAILABLE when it can't be read. */
  abstract pendingOf(user: string): Promise<number>;

  /**
   * Returns when something last came from this user, in milliseconds since 1970; null if that was longer ago than
   * `retentionMs`, or never. Rejects with STORE_UNAVAILABLE when the store can't be read.
   */
  abstract lastSeenOf(user: string): Promise<number | null>;

  /**
   * Other processes of the chat take over what this one does for their users, before its own clients are told to go. A
   * single server has no others.
   */
  abstract leave(): Promise<void>;

  /** Stores everything that is in memory only and waits until it is committed, so that every sender has its receipt. */
  abstract settle(): Promise<void>;

  /** Commits what is left when all connections have ended, and stops. */
  abstract close(): Promise<void>;
}
