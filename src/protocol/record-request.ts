import { errors } from './chat-error.js';
import { isMessageId, MESSAGE_ID_RULE } from './message.js';
import { positionOf } from './position.js';
import { isPseudonym } from './pseudonym.js';
import { checkName } from './send-request.js';
import type { ClientEvents } from './wire.js';

// What is asked of the record: the rules, for frames and the application.

/** The most items of a page, and how many it has unless told. */
export const MAX_RECORD_PAGE = 200;
export const RECORD_PAGE = 50;

/** What the limit of a page has to be, for error texts. */
export const RECORD_LIMIT_RULE = `has to be a whole number from 1 to ${MAX_RECORD_PAGE}`;

/** What a position has to be, for error texts. */
export const POSITION_RULE = 'has to be a position that the server has given';

/** Which page of a conversation is asked for: before or after a position, or the newest one. */
export interface HistoryRequest {
  readonly with: string;
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly limit: number;
}

/** What is asked for: what was recorded since a cursor, or only the cursor of now. */
export interface SyncRequest {
  readonly after?: number | undefined;
  readonly limit: number;
}

/** Which conversations are asked for: those before a position, or the newest. */
export interface ConversationsRequest {
  readonly before?: number | undefined;
  readonly limit: number;
}

/** Up to where a conversation was read. */
export interface ReadRequest {
  readonly with: string;
  readonly upTo: number;
}

/** Fields as they were written, unchecked. */
type Written<Event extends 'history' | 'sync' | 'conversations' | 'read'> = Readonly<
  Partial<Record<keyof ClientEvents[Event], unknown>>
>;

/** Returns a checked request; throws a ChatError that names the first field that is not valid. */
export function checkHistory(written: Written<'history'>, id?: string): HistoryRequest {
  const { before, after } = written;
  if (before !== undefined && after !== undefined) {
    throw errors.badField('after', 'is given beside "before"; give one of them', id);
  }
  return {
    with: checkPeer(written.with, id),
    before: checkPosition(before, 'before', id),
    after: checkPosition(after, 'after', id),
    limit: checkLimit(written.limit, id),
  };
}

/**
 * Returns a checked request; throws a ChatError that names the first field that is not valid. A cursor that nobody knows
 * counts as none: its client has to begin anew, and is told so.
 */
export function checkSync({ after, limit }: Written<'sync'>, id?: string): SyncRequest {
  if (after !== undefined && typeof after !== 'string') throw errors.badField('after', 'has to be a string', id);
  return { after: cursorOf(after), limit: checkLimit(limit, id) };
}

/** Returns a checked request; throws a ChatError that names the first field that is not valid. */
export function checkConversations({ before, limit }: Written<'conversations'>, id?: string): ConversationsRequest {
  return { before: checkPosition(before, 'before', id), limit: checkLimit(limit, id) };
}

/** Returns a checked request; throws a ChatError that names the first field that is not valid. */
export function checkRead(written: Written<'read'>): ReadRequest {
  const upTo = checkPosition(written.upTo, 'upTo');
  if (upTo === undefined) throw errors.badField('upTo', POSITION_RULE);
  return { with: checkPeer(written.with), upTo };
}

/** Returns the id with which an answer is told apart from others; throws a ChatError when there is none. */
export function checkCallId(written: unknown): string {
  if (isMessageId(written)) return written;
  throw errors.badField('id', MESSAGE_ID_RULE);
}

/** Returns the cursor of a `sync` as it is on the wire. */
export function cursorText(cursor: number): string {
  return `s${cursor.toString(36)}`;
}

/** Returns the cursor that a text stands for; undefined for any other text. */
export function cursorOf(written: string | undefined): number | undefined {
  if (written === undefined || !/^s[0-9a-z]{1,11}$/.test(written)) return undefined;
  const cursor = parseInt(written.slice(1), 36);
  return Number.isSafeInteger(cursor) ? cursor : undefined;
}

/** Returns the other side of a conversation, who may have been erased; throws a ChatError when it is no name. */
export function checkPeer(written: unknown, id?: string): string {
  return isPseudonym(written) ? written : checkName(written, 'with', id);
}

function checkPosition(written: unknown, field: string, id?: string): number | undefined {
  if (written === undefined) return undefined;
  const position = positionOf(written);
  if (position === null) throw errors.badField(field, POSITION_RULE, id);
  return position;
}

function checkLimit(written: unknown = RECORD_PAGE, id?: string): number {
  if (Number.isInteger(written) && (written as number) >= 1 && (written as number) <= MAX_RECORD_PAGE) {
    return written as number;
  }
  throw errors.badField('limit', RECORD_LIMIT_RULE, id);
}
