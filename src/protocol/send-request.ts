import { errors } from './chat-error.js';
import { isMessageId, MESSAGE_ID_RULE, type Urgency } from './message.js';
import {
  isTopic,
  isTtl,
  isUrgency,
  META_RULE,
  metaTextOf,
  TOPIC_RULE,
  TTL_RULE,
  URGENCY_RULE,
} from './message-extras.js';
import { parseUserName } from './user-name.js';

/** A message that somebody asks to send: a connection, a REST call or the application. */
export interface SendRequest {
  /** The sender's user name. */
  readonly from: string;
  /** The recipient's user name; left out of a broadcast to everybody who is connected. */
  readonly to?: string | undefined;
  readonly content: string;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; made by the server if left out. A repeat with the same id is not accepted twice. */
  readonly id?: string | undefined;
  /**
   * What the application adds to the content: an object that JSON can hold, at most `maxMetaBytes` long as JSON. It
   * counts as content in all limits.
   */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Whole seconds from the acceptance, after which it is not delivered any more; more than `retentionMs` is cut to that.
   * 0: only to a connection that can have it now, else the receipt is `absent`. Not for a broadcast.
   */
  readonly ttl?: number | undefined;
  /**
   * 1 to 32 of `A-Z a-z 0-9 _ -`. The message replaces those that wait, and are in flight to nobody, with the same
   * sender, recipient and topic. Not for a broadcast.
   */
  readonly topic?: string | undefined;
  /**
   * `normal` unless given. It never changes the order; with `overflow: 'evict-oldest'` the lowest is evicted first. Not
   * for a broadcast.
   */
  readonly urgency?: Urgency | undefined;
}

/** A SendRequest that was checked. */
export interface CheckedRequest extends SendRequest {
  /** `meta` as JSON: what is stored, and pasted into frames. */
  readonly metaText?: string | undefined;
  /** The id of the connection that has sent it; only where messages are recorded. */
  readonly origin?: string | undefined;
}

/** A SendRequest as it was written, unchecked. */
export type WrittenRequest = Readonly<Partial<Record<keyof SendRequest, unknown>>>;

/** What content has to be, for error texts. */
export const CONTENT_RULE = 'has to be a string of whole characters';

/**
 * Whether this may be content. An escape like \ud800 writes half a character, which UTF-8 cannot carry to the
 * recipient.
 */
export function isContent(written: unknown): written is string {
  return typeof written === 'string' && written.isWellFormed();
}

/** What these fields have to be in a broadcast, for error texts. */
const NOT_IN_BROADCAST = 'is for a direct message, as a broadcast never waits; leave it out';

/**
 * Returns a direct message with the recipient in its only spelling; throws a ChatError that names the first field that
 * is not valid. `from` is a valid name already: that of a connection's user, or one that `checkName` returned.
 */
export function checkSend(written: WrittenRequest, from: string): CheckedRequest & { readonly to: string } {
  const id = checkId(written.id);
  const content = checkContent(written.content, id);
  const to = checkName(written.to, 'to', id);
  const { meta, ttl, topic, urgency } = written;
  if (meta === undefined && ttl === undefined && topic === undefined && urgency === undefined)
    return { from, to, content, id };
  return {
    from,
    to,
    content,
    id,
    ...checkMeta(meta, id),
    ttl: checked(ttl, isTtl, 'ttl', TTL_RULE, id),
    topic: checked(topic, isTopic, 'topic', TOPIC_RULE, id),
    urgency: checked(urgency, isUrgency, 'urgency', URGENCY_RULE, id),
  };
}

/** Returns a broadcast, which has no recipient; throws a ChatError that names the first field that is not valid. */
export function checkBroadcast(written: WrittenRequest, from: string): CheckedRequest {
  const id = checkId(written.id);
  const content = checkContent(written.content, id);
  for (const field of ['ttl', 'topic', 'urgency'] as const)
    if (written[field] !== undefined) throw errors.badField(field, NOT_IN_BROADCAST, id);
  return { from, to: undefined, content, id, ...checkMeta(written.meta, id) };
}

/** Returns a user name in its only spelling; throws a ChatError that names the field. */
export function checkName(written: unknown, field: string, id?: string): string {
  if (typeof written !== 'string') throw errors.badField(field, 'has to be a string', id);
  const name = parseUserName(written);
  if (name === null) throw errors.badName(written, `"${field}"`, id);
  return name;
}

/** The limits of `checkSize`, in bytes of UTF-8. */
export interface SizeLimits {
  /** Of the content and its meta together. */
  readonly maxContentBytes: number;
  /** Of the meta as JSON. */
  readonly maxMetaBytes: number;
}

/** Returns the length of the content and its meta in bytes of UTF-8; throws CONTENT_TOO_LARGE above a limit. */
export function checkSize(request: CheckedRequest, limits: SizeLimits): number {
  const { metaText, id } = request;
  const metaBytes = metaText === undefined ? 0 : Buffer.byteLength(metaText);
  if (metaBytes > limits.maxMetaBytes) throw errors.metaTooLarge(metaBytes, limits.maxMetaBytes, id);
  const bytes = sizeOf(request);
  if (bytes > limits.maxContentBytes) throw errors.contentTooLarge(bytes, limits.maxContentBytes, id);
  return bytes;
}

/** Returns the length of the content and its meta in bytes of UTF-8. */
export function sizeOf({ content, metaText }: Pick<CheckedRequest, 'content' | 'metaText'>): number {
  return Buffer.byteLength(content) + (metaText === undefined ? 0 : Buffer.byteLength(metaText));
}

/** Returns the meta and its text, if there is one; throws a ChatError when it is not an object that JSON can hold. */
export function checkMeta(meta: unknown, id: string | undefined): Pick<CheckedRequest, 'meta' | 'metaText'> {
  if (meta === undefined) return {};
  const metaText = metaTextOf(meta);
  if (metaText === null) throw errors.badField('meta', META_RULE, id);
  return { meta: meta as Record<string, unknown>, metaText };
}

function checked<Value>(
  written: unknown,
  isValid: (value: unknown) => value is Value,
  field: string,
  rule: string,
  id: string | undefined,
): Value | undefined {
  if (written === undefined || isValid(written)) return written;
  throw errors.badField(field, rule, id);
}

/** Returns the id, if there is one; throws a ChatError when it is not 1 to 64 of the characters of an id. */
export function checkId(written: unknown): string | undefined {
  if (written === undefined || isMessageId(written)) return written;
  throw errors.badField('id', MESSAGE_ID_RULE);
}

/** Returns the content; throws a ChatError when it is not a string of whole characters. */
export function checkContent(written: unknown, id: string | undefined): string {
  if (isContent(written)) return written;
  throw errors.badField('content', CONTENT_RULE, id);
}
