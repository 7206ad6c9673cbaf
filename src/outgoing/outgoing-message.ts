import { dialectOf } from '../offline-messages/dialect.js';
import { errors } from '../protocol/chat-error.js';
import { newId } from '../protocol/message.js';
import {
  checkName,
  checkSend,
  checkSize,
  type CheckedRequest,
  type SendRequest,
  type SizeLimits,
} from '../protocol/send-request.js';

/** A direct message that becomes part of a transaction of the application. */
export interface OutgoingMessage extends SendRequest {
  /** The recipient's user name. */
  readonly to: string;
  /** When it is sent: a Date, or milliseconds since 1970. Left out, it is sent right after the commit. */
  readonly notBefore?: Date | number | undefined;
}

/** A row of the table of outgoing messages. */
export interface OutgoingRow {
  readonly sender: string;
  readonly recipient: string;
  readonly id: string;
  /** Without the characters that Postgres can't hold, whatever database it is. */
  readonly content: string;
  /** What else a message may have, as one JSON text; null for a plain one. */
  readonly extras: string | null;
  /** In milliseconds since 1970; null when it is due. */
  readonly notBefore: number | null;
}

/** What is in `extras`. */
type StoredExtras = Pick<SendRequest, 'meta' | 'ttl' | 'topic' | 'urgency'> & {
  /** When a message with a `ttl` expires, in milliseconds since 1970: it may wait in the table for a while. */
  readonly expiresAt?: number | undefined;
};

/** One encoding for all databases, so that the same statement writes to each of them. */
const TEXT = dialectOf('postgres');

/** Returns the row of a message; throws a ChatError that names the first field that is not valid. */
export function rowOf(message: OutgoingMessage, limits: SizeLimits, now: number): OutgoingRow {
  const request = checkSend(message, checkName(message.from, 'from'));
  checkSize(request, limits);
  const notBefore = timeOf(message.notBefore, request.id);
  const { meta, ttl, topic, urgency } = request;
  const expiresAt = ttl ? Math.max(now, notBefore ?? now) + ttl * 1_000 : undefined;
  const extras = JSON.stringify({ meta, ttl, topic, urgency, expiresAt } satisfies StoredExtras);
  return {
    sender: request.from,
    recipient: request.to,
    id: request.id ?? newId(),
    content: TEXT.toColumn(request.content),
    extras: extras === '{}' ? null : extras,
    notBefore,
  };
}

/**
 * Returns the request to send that a row is, with what is left of its `ttl`; null if nothing is. Throws a ChatError when
 * it is not valid, since another program may have written it.
 */
export function requestOf(row: Omit<OutgoingRow, 'notBefore'>, now: number): CheckedRequest | null {
  const { sender, recipient, id, content, extras } = row;
  const from = checkName(sender, 'from', id);
  const plain = { to: recipient, content: TEXT.fromColumn(content), id };
  if (extras === null) return checkSend(plain, from);
  const { expiresAt, ...more } = extrasOf(extras, id);
  if (expiresAt === undefined) return checkSend({ ...more, ...plain }, from);
  const ttl = Math.ceil((expiresAt - now) / 1_000);
  return ttl > 0 ? checkSend({ ...more, ...plain, ttl }, from) : null;
}

function extrasOf(text: string, id: string): StoredExtras {
  try {
    return JSON.parse(text) as StoredExtras;
  } catch {
    throw errors.badField('extras', 'has to be JSON', id); // The parser's error quotes the text.
  }
}

function timeOf(written: unknown, id: string | undefined): number | null {
  if (written === undefined || written === null) return null;
  const ms = written instanceof Date ? written.getTime() : written;
  if (typeof ms === 'number' && Number.isSafeInteger(Math.trunc(ms))) return Math.trunc(ms);
  throw errors.badField('notBefore', 'has to be a Date, or milliseconds since 1970', id);
}
