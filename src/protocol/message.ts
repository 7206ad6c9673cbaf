import type { Urgency } from './wire.js';

export type { Urgency } from './wire.js';

/** What a sender may add to a message. A message has these only if at least one of them was given. */
export interface MessageExtras {
  /** A JSON object as text. It was checked once, and is pasted into frames and rows as it is. */
  readonly meta?: string | undefined;
  /** When it expires, in milliseconds since 1970. With a `ttl` of 0 it equals `sentAt`. */
  readonly expiresAt?: number | undefined;
  /** A message replaces one that waits with the same sender, recipient and topic. */
  readonly topic?: string | undefined;
  readonly urgency?: Urgency | undefined;
  /** Where it stands in its conversation, a whole number below 2^53; only of a recorded message. */
  readonly position?: number | undefined;
  /** The id of the connection that has sent it, which gets no echo. It is never stored, and never on the wire. */
  readonly origin?: string | undefined;
}

/** A direct message, as it is relayed and as it is stored [protocol 1]. */
export interface Message {
  /** The sender's id for it, or one made by the server (UUID v7). */
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
  /** When the server accepted it, in milliseconds since 1970. */
  readonly sentAt: number;
  /** Undefined for a plain message, which nearly every message is. */
  readonly extras?: MessageExtras | undefined;
}

/**
 * The outcome of a message for its sender. Each status is a promise; for a broadcast there is a count [protocol 2.1].
 */
export interface Receipt {
  readonly id: string;
  readonly status: 'delivered' | 'stored' | 'broadcast' | 'absent';
  /** In milliseconds since 1970. */
  readonly sentAt: number;
  /** Number of connections to which a broadcast was written, or for which it is kept behind a backlog. */
  readonly recipients?: number;
  /** Where it stands in its conversation, as it is on the wire; only of a recorded message. */
  readonly position?: string;
}

/** What a message id is. */
export const MESSAGE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** What a message id has to be, for error texts. */
export const MESSAGE_ID_RULE = 'has to be 1 to 64 of A-Z a-z 0-9 _ -';

/** Whether a sender may use this as a message id. */
export function isMessageId(id: unknown): id is string {
  return typeof id === 'string' && MESSAGE_ID.test(id);
}

/** How many ids the twelve bits behind the version can number. */
const IDS_PER_MS = 0x1000;
let idMs = 0;
let idsInMs = 0;
let idHead = '';
let idTail = '';

/**
 * Returns a new id (UUID v7), for a message or a connection. Each id sorts behind all earlier ones of this process:
 * those of one millisecond are numbered, and if there are too many, the next ones use the next millisecond [RFC 9562
 * 6.2, method 1]. They share their random bits, since drawing them for each id cost a fifteenth of relaying a message.
 * An id is not a secret.
 */
export function newId(): string {
  idsInMs += 1;
  const now = Math.max(Date.now(), idsInMs < IDS_PER_MS ? idMs : idMs + 1);
  if (now > idMs) {
    const time = now.toString(16).padStart(12, '0');
    idMs = now;
    idsInMs = 0;
    idHead = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    idTail = crypto.randomUUID().slice(18); // Variant and random bits are where a UUID v4 has them.
  }
  return `${idHead}${idsInMs.toString(16).padStart(3, '0')}${idTail}`;
}

/** Returns a time as it is on the wire: ISO 8601 in UTC with milliseconds. */
export function toIsoTime(ms: number): string {
  // Many messages share a millisecond, and writing the time of each cost a twentieth of relaying it.
  if (ms !== lastMs) {
    lastTime = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastTime;
}

let lastMs = Number.NaN;
let lastTime = '';
