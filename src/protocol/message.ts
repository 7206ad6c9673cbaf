import { v7 } from 'uuid';

/** A direct message, as it is relayed and as it is stored [protocol 1]. */
export interface Message {
  /** The sender's id for it, or else the server's (UUID v7). */
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
  /** When the server took it, in milliseconds since 1970. */
  readonly sentAt: number;
}

/** What a sender is told of its message; each one is a promise, or a count for a broadcast [protocol 2.1]. */
export interface Receipt {
  readonly id: string;
  readonly status: 'delivered' | 'stored' | 'broadcast';
  /** In milliseconds since 1970. */
  readonly sentAt: number;
  /** Number of connections that a broadcast was written to. */
  readonly recipients?: number;
}

const MESSAGE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Says whether a sender may use this as a message id: 1 to 64 of `A-Z a-z 0-9 _ -`. */
export function isMessageId(id: unknown): id is string {
  return typeof id === 'string' && MESSAGE_ID.test(id);
}

/** An id of the server's own, for a message, a connection: UUID v7, which sorts by time. */
export function newId(): string {
  return v7();
}

/** Times on the wire: ISO 8601 in UTC with milliseconds. */
export function toIsoTime(ms: number): string {
  return new Date(ms).toISOString();
}
