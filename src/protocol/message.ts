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

const RANDOM_BYTES = 16;
// Asked for one by one, the random bytes of an id cost a sixth of relaying its message; so many at once, next to nothing.
const random = new Uint8Array(256 * RANDOM_BYTES);
let randomUsed = random.length;
let idMs = 0;
let idSeq = 0;

/** An id of the server's own, for a message, a connection: UUID v7. Each sorts behind all that this process made before. */
export function newId(): string {
  if (randomUsed === random.length) {
    crypto.getRandomValues(random);
    randomUsed = 0;
  }
  const bytes = random.subarray(randomUsed, (randomUsed += RANDOM_BYTES));
  const now = Date.now();
  // A counter within the millisecond, and while the clock is set back [RFC 9562 6.2, method 1].
  idSeq = now > idMs ? ((bytes[6]! & 0x7f) << 24) | (bytes[7]! << 16) | (bytes[8]! << 8) | bytes[9]! : idSeq + 1;
  idMs = Math.max(now, idMs);
  return v7({ random: bytes, msecs: idMs, seq: idSeq });
}

/** Times on the wire: ISO 8601 in UTC with milliseconds. */
export function toIsoTime(ms: number): string {
  // Messages come many to a millisecond, and writing the time of each cost a twentieth of relaying it.
  if (ms !== lastMs) {
    lastTime = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastTime;
}

let lastMs = Number.NaN;
let lastTime = '';
