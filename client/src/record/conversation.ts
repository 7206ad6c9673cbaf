import type { WireConversation, WireHistory, WireMark, WireRecorded } from '../../../src/protocol/wire.js';

/** A message in the record. */
export type RecordedMessage = WireRecorded;

/** What this client knows of a conversation. It is never changed, only replaced by another one. */
export interface Conversation {
  /** The name of the other side. */
  readonly with: string;
  /** The newest messages, oldest first, without a gap; `earlier` brings more. */
  readonly messages: readonly RecordedMessage[];
  /** Whether the server may have earlier messages than these. */
  readonly hasEarlier: boolean;
  /** Whether the server was asked for the newest messages since this client was made. Until then they are what was kept. */
  readonly isLoaded: boolean;
  /** The position of its newest message; null when there is none. */
  readonly newest: string | null;
  /** Messages of the other side behind `read`; 1,000 may stand for more. */
  readonly unread: number;
  /** Up to which position this user has got the messages of the other side, and has read them; null before the first. */
  readonly delivered: string | null;
  readonly read: string | null;
  /** The same of the other side, and the messages of this user. */
  readonly peerDelivered: string | null;
  readonly peerRead: string | null;
}

/** A conversation, and what its unread messages are counted from. */
export interface Thread extends Conversation {
  /** What the server has counted as unread up to `countedTo`. Messages behind that are counted here. */
  readonly counted: number;
  readonly countedTo: string | null;
  /** The server was not told of `read` yet. */
  readonly owesRead: boolean;
}

/** Where a page of history is asked for; without a place it is the newest one. */
export interface HistoryPlace {
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

type Marks = Pick<Thread, 'delivered' | 'read' | 'peerDelivered' | 'peerRead'>;
const NO_MARKS: Marks = { delivered: null, read: null, peerDelivered: null, peerRead: null };

export function newThread(name: string): Thread {
  const nothing = { messages: [], hasEarlier: true, isLoaded: false, newest: null, unread: 0 };
  return { with: name, ...nothing, ...NO_MARKS, counted: 0, countedTo: null, owesRead: false };
}

/** Returns what became of an own message; `sent` is in the record, and the other side has not got it. */
export function statusOf(
  { peerDelivered, peerRead }: Conversation,
  { position }: RecordedMessage,
): 'sent' | 'delivered' | 'read' {
  if (peerRead !== null && position <= peerRead) return 'read';
  return peerDelivered !== null && position <= peerDelivered ? 'delivered' : 'sent';
}

/** What was said lately: live, or since a cursor. It is put in its place. */
export function withMessages(thread: Thread, items: readonly RecordedMessage[], user: string | null): Thread {
  const first = thread.messages[0];
  // What is before the first may have a gap behind it.
  const isKnown = ({ position }: RecordedMessage) => !first || !thread.hasEarlier || position >= first.position;
  return recounted({ ...thread, messages: merged(thread.messages, items.filter(isKnown)) }, user);
}

/** A page of the history, if it reaches to what is known. */
export function withPage(thread: Thread, place: HistoryPlace, page: WireHistory, user: string | null): Thread {
  const isNewest = place.before === undefined && place.after === undefined;
  const first = page.items[0]?.position ?? '';
  const last = page.items.at(-1)?.position ?? '';
  const known = thread.messages[0]?.position;
  const isAnew = isNewest && (!thread.isLoaded || known === undefined);
  const reachesEnd = place.before === undefined && page.after === null;
  const isApart = known === undefined || (thread.hasEarlier && !reachesEnd && (place.before ?? last) < known);
  if (!isAnew && isApart) return thread;
  // Of what is kept nobody knows whether there is a gap between it and this page.
  const rest = thread.messages.filter(({ position }) => position > last || (!isAnew && position < first));
  const isEarliest = isAnew || (first < known! && (place.after === undefined || page.items.length > 0));
  const hasEarlier = isEarliest ? page.before !== null : thread.hasEarlier;
  const isLoaded = thread.isLoaded || isNewest;
  return recounted({ ...thread, messages: merged(rest, page.items), hasEarlier, isLoaded }, user);
}

/** What the server says of the whole. */
export function withSummary(thread: Thread, summary: WireConversation, user: string | null): Thread {
  const { newest, last, unread, delivered, read, peerDelivered, peerRead } = summary;
  const told = { ...thread, ...later(thread, { delivered, read, peerDelivered, peerRead }) };
  const messages = thread.messages.length === 0 && last ? [last] : thread.messages;
  const owesRead = isBehind(read, told.read);
  const asCounted = { ...told, messages, owesRead, newest, counted: unread, countedTo: newest };
  return recounted(owesRead ? readAgain(asCounted, user) : asCounted, user);
}

export function withMark(thread: Thread, mark: WireMark, user: string | null): Thread {
  let next = thread;
  const { delivered = null, read = null } = mark;
  if (mark.user === user) {
    next = { ...next, ...later(next, { ...NO_MARKS, delivered }) };
    if (read !== null) next = withRead(next, read, user);
  }
  if (mark.user === mark.with) {
    next = { ...next, ...later(next, { ...NO_MARKS, peerDelivered: delivered, peerRead: read }) };
  }
  return next;
}

/** This user has read up to there, here or elsewhere. */
export function withRead(thread: Thread, upTo: string, user: string | null): Thread {
  return isBehind(thread.read, upTo) ? recounted(readAgain({ ...thread, read: upTo }, user), user) : thread;
}

/** Forgets the oldest messages above a number, and above so many characters of content. */
export function trimmed(thread: Thread, user: string | null, max: number, maxCharacters = Infinity): Thread {
  const { messages } = thread;
  let from = Math.max(0, messages.length - max);
  let characters = 0;
  for (let index = messages.length - 1; index >= from; index -= 1) {
    characters += messages[index]!.content.length;
    if (characters > maxCharacters && index < messages.length - 1) from = index + 1;
  }
  if (from === 0) return thread;
  const lastGone = messages[from - 1]!.position;
  const left = { ...thread, messages: messages.slice(from), hasEarlier: true };
  if (!isBehind(thread.countedTo, lastGone)) return left;
  const gone = unreadIn(messages.slice(0, from), thread, user);
  return { ...left, counted: thread.counted + gone, countedTo: lastGone };
}

/** Counts anew what the server had counted before `read` moved, as far as that is known. */
function readAgain(thread: Thread, user: string | null): Thread {
  const { read, countedTo, messages, hasEarlier } = thread;
  if (!isBehind(read, countedTo)) return { ...thread, counted: 0 };
  if (hasEarlier && !(messages[0] && read !== null && messages[0].position <= read)) return thread;
  const upTo = messages.filter(({ position }) => !isBehind(countedTo, position));
  return { ...thread, counted: unreadIn(upTo, { ...thread, countedTo: null }, user) };
}

function recounted(thread: Thread, user: string | null): Thread {
  const { messages, counted: known } = thread;
  const newest = laterOf(thread.newest, messages.at(-1)?.position ?? null);
  return { ...thread, newest, unread: known + unreadIn(messages, thread, user) };
}

function unreadIn(messages: readonly RecordedMessage[], thread: Thread, user: string | null): number {
  const from = laterOf(thread.read, thread.countedTo);
  return messages.filter((item) => item.from !== user && !item.erased && isBehind(from, item.position)).length;
}

/** Whether both are the same message, which the record has once. */
export function isSame(one: RecordedMessage, other: RecordedMessage): boolean {
  return one.id === other.id && one.from === other.from;
}

/** Both in one order; of the same message that of `news`. */
function merged(known: readonly RecordedMessage[], news: readonly RecordedMessage[]): readonly RecordedMessage[] {
  if (news.length === 0) return known;
  const all = new Map([...known, ...news].map((item) => [`${item.from}\n${item.id}`, item]));
  return [...all.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
}

/** Marks never go back. */
function later(known: Marks, news: Marks): Marks {
  return {
    delivered: laterOf(known.delivered, news.delivered),
    read: laterOf(known.read, news.read),
    peerDelivered: laterOf(known.peerDelivered, news.peerDelivered),
    peerRead: laterOf(known.peerRead, news.peerRead),
  };
}

/** Whether a position, or null before the first, is before another one. */
export function isBehind(position: string | null, other: string | null): boolean {
  return other !== null && (position === null || position < other);
}

function laterOf(position: string | null, other: string | null): string | null {
  return isBehind(position, other) ? other : position;
}
