import type { MessageHeader } from '../protocol/chat-message.js';
import { positionText } from '../protocol/position.js';
import type { RecordedMessage } from '../record/record.js';

/** A message in the record, as the application sees it. */
export interface PastMessage extends MessageHeader {
  /** Its place in the conversation: a string, and those of one conversation sort as text in its order. */
  readonly position: string;
  /** Empty when it was erased. */
  readonly content: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly erased?: true;
}

/** A page of a conversation, oldest first. `before` and `after` ask for the pages beside it; null where nothing follows. */
export interface ChatHistory {
  readonly items: readonly PastMessage[];
  readonly before: string | null;
  readonly after: string | null;
}

/** What was recorded for a user since a cursor, received and sent, in the order of the commits. */
export interface ChatSync {
  readonly items: readonly PastMessage[];
  /** The cursor of the next call, to be kept. */
  readonly after: string;
  /** Whether more is there already. */
  readonly more: boolean;
  /** False when something since the cursor is not kept any more, or no cursor was given. */
  readonly complete: boolean;
}

/** A conversation of a user. Marks are positions up to which a side has got it, or read it; null before the first. */
export interface ChatConversation {
  readonly with: string;
  /** The position of its newest message. */
  readonly newest: string;
  /** Its newest message; null when it is not kept any more. */
  readonly last: PastMessage | null;
  /** Messages of the other side behind one's own `read`, without what was erased; 1,000 stands for that and more. */
  readonly unread: number;
  readonly delivered: string | null;
  readonly read: string | null;
  readonly peerDelivered: string | null;
  readonly peerRead: string | null;
}

/** Conversations of a user, the newest first. `before` asks for the next page; null when there is none. */
export interface ChatConversations {
  readonly items: readonly ChatConversation[];
  readonly before: string | null;
}

/** Which page of a conversation is asked for: before or after a position, or the newest one. */
export interface HistoryQuery {
  /** The other side. */
  readonly with: string;
  readonly before?: string;
  /** Not with `before`. */
  readonly after?: string;
  /** 1 to 200; 50 unless given. */
  readonly limit?: number;
}

export function toPastMessage({ position, meta, erasedAt, ...message }: RecordedMessage): PastMessage {
  return {
    position: positionText(position),
    ...message,
    ...(meta !== null && { meta: JSON.parse(meta) as Record<string, unknown> }),
    ...(erasedAt !== null && { erased: true as const }),
  };
}
