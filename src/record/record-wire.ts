import { toIsoTime } from '../protocol/message.js';
import { positionText } from '../protocol/position.js';
import { cursorText } from '../protocol/record-request.js';
import type { WireRecorded } from '../protocol/wire.js';
import type { Conversation, HistoryPage, RecordedMessage, SyncPage } from './record.js';

// The pages of the record with positions and cursors as text, for frames, REST calls and the application. `itemOf` makes
// what each of them has for a message.

type ItemOf<Item> = (message: RecordedMessage) => Item;

export function historyOf<Item>({ items, before, after }: HistoryPage, itemOf: ItemOf<Item>) {
  return { items: items.map(itemOf), before: placeOf(before), after: placeOf(after) };
}

export function syncOf<Item>({ items, after, hasMore, isComplete }: SyncPage, itemOf: ItemOf<Item>) {
  return { items: items.map(itemOf), after: cursorText(after), more: hasMore, complete: isComplete };
}

export function conversationsOf<Item>(
  { items, before }: { readonly items: readonly Conversation[]; readonly before: number | null },
  itemOf: ItemOf<Item>,
) {
  return { items: items.map((conversation) => conversationOf(conversation, itemOf)), before: placeOf(before) };
}

function conversationOf<Item>(
  { with: peer, newest, last, unread, own, peer: theirs }: Conversation,
  itemOf: ItemOf<Item>,
) {
  return {
    with: peer,
    newest: positionText(newest),
    last: last && itemOf(last),
    unread,
    delivered: placeOf(own.delivered),
    read: placeOf(own.read),
    peerDelivered: placeOf(theirs.delivered),
    peerRead: placeOf(theirs.read),
  };
}

function placeOf(position: number | null): string | null {
  return position === null ? null : positionText(position);
}

/** Returns a message as it is in frames and REST calls. */
export function toWireRecorded({ position, meta, sentAt, erasedAt, ...message }: RecordedMessage): WireRecorded {
  const { id, from, to, content } = message;
  return {
    position: positionText(position),
    id,
    from,
    to,
    content,
    ...(meta !== null && { meta: JSON.parse(meta) as Record<string, unknown> }),
    sentAt: toIsoTime(sentAt),
    ...(erasedAt !== null && { erased: true as const }),
  };
}
