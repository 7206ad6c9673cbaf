import type { PendingMessage, ReceivedMessage, ReceiptEvent } from '../client/src/api.js';
import { statusOf, type Conversation, type RecordedMessage } from '../client/src/record/conversation.js';

/** The conversation of what goes to everybody. No user name has a "|". */
export const EVERYONE = '|everyone';

/** What became of an own message: `pending` until the first receipt, `read` where the server records. */
export type LineState = 'pending' | ReceiptEvent['status'] | 'read';

/** A message as this page keeps it. Lines are never changed, only replaced. */
export interface Line {
  /** The sender and the sender's id, so that a message is kept once, whoever reports it, and however often. */
  readonly key: string;
  readonly id: string;
  readonly from: string;
  /** The name of the other, or EVERYONE. */
  readonly conversation: string;
  readonly content: string;
  /** When it was sent, in milliseconds since 1970. */
  readonly at: number;
  /** For how long it waited for this reader, in milliseconds; null for a live one and for an own one. */
  readonly waitedMs: number | null;
  /** Null for a message of somebody else. */
  readonly state: LineState | null;
  /** Where it stands in the record; undefined when it is not there, or not yet. */
  readonly position?: string | undefined;
  /** Its content was erased from the record. */
  readonly isErased?: boolean | undefined;
  /** Of a broadcast: to how many connections it went. */
  readonly recipients?: number | undefined;
  /** Of a refusal: its code, and what the server said. */
  readonly code?: ReceiptEvent['code'] | undefined;
  readonly reason?: string | undefined;
}

export type LineChange = Partial<Pick<Line, 'at' | 'state' | 'position' | 'recipients' | 'code' | 'reason'>>;

export function keyOf(from: string, id: string): string {
  return `${from}\n${id}`; // A user name never has a line feed.
}

export function receivedLine(message: ReceivedMessage, user: string, now: number): Line {
  const { id, from, to, content, sentAt, stored, position } = message;
  const at = Date.parse(sentAt);
  const isOwn = from === user;
  return {
    key: keyOf(from, id),
    id,
    from,
    conversation: isBroadcast(message, user) ? EVERYONE : isOwn ? to : from,
    content,
    at,
    waitedMs: stored && !isOwn ? Math.max(0, now - at) : null,
    state: isOwn ? 'delivered' : null,
    position,
  };
}

/** A message of the record, sent or received, here or elsewhere. */
export function recordedLine(message: RecordedMessage, conversation: Conversation, user: string): Line {
  const { id, from, content, sentAt, position, erased = false } = message;
  const state = from === user ? RECORDED_STATES[statusOf(conversation, message)] : null;
  const known = { key: keyOf(from, id), id, from, conversation: conversation.with, content, at: Date.parse(sentAt) };
  return { ...known, waitedMs: null, state, position, isErased: erased };
}

const RECORDED_STATES = { sent: 'stored', delivered: 'delivered', read: 'read' } as const;

/** A broadcast has `to: "*"`. So has a direct message to a user of that name. */
function isBroadcast({ to }: ReceivedMessage, user: string): boolean {
  return to === '*' && user !== '*';
}

export function sentLine({ id, to, content, at }: PendingMessage, user: string): Line {
  return {
    key: keyOf(user, id),
    id,
    from: user,
    conversation: to ?? EVERYONE,
    content,
    at,
    waitedMs: null,
    state: 'pending',
  };
}

export function changeBy({ status, sentAt, recipients, code, message, position }: ReceiptEvent): LineChange {
  return {
    state: status,
    ...(position !== undefined && { position }),
    ...(sentAt !== undefined && { at: Date.parse(sentAt) }),
    ...(recipients !== undefined && { recipients }),
    ...(status === 'refused' && { code, reason: message }),
  };
}

/**
 * Returns the line after this change. All tabs see the same events, though not at the same time: one that comes late
 * must not undo what followed it. Only a refused message can be pending again.
 */
export function changed(line: Line, change: LineChange): Line {
  const { state } = change;
  if (state === 'pending' && line.state !== 'refused') return line;
  if (state === 'stored' && line.state !== 'pending' && line.state !== 'refused') return line;
  if (line.state === 'read' && state !== undefined) return line;
  return { ...line, ...change };
}

/** Returns the line with what the record says of it; the same one when that is nothing new. */
export function recorded(line: Line, record: Line): Line {
  const { state } = line.state === null ? line : changed(line, { state: record.state });
  const { content, position, isErased } = record;
  const isSame = line.state === state && line.content === content && line.position === position;
  return isSame ? line : { ...line, state, content, position, isErased };
}

/** Whether a line stands before another one: in the record, or else by its time. */
export function isBefore(line: Line, other: Line): boolean {
  if (line.position !== undefined && other.position !== undefined) return line.position < other.position;
  return line.at < other.at;
}
