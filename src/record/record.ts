import type { Message } from '../protocol/message.js';

/** A message in the record. Its order in a conversation is that of `position`, which is a whole number below 2^53. */
export interface RecordedMessage extends Pick<Message, 'id' | 'from' | 'to' | 'content' | 'sentAt'> {
  readonly position: number;
  /** A JSON object as text. */
  readonly meta: string | null;
  /** When its content was erased, in milliseconds since 1970. */
  readonly erasedAt: number | null;
}

/** Where a page of a conversation begins; neither asks for the newest messages. */
export interface HistoryPlace {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** A page of a conversation, oldest first. The places ask for the pages beside it; null where nothing follows. */
export interface HistoryPage {
  readonly items: readonly RecordedMessage[];
  readonly before: number | null;
  readonly after: number | null;
}

/** What was recorded for a user since a cursor, in the order of the commits. */
export interface SyncPage {
  readonly items: readonly RecordedMessage[];
  /** The cursor of the next call. */
  readonly after: number;
  /** Whether more is there already. */
  readonly hasMore: boolean;
  /** False when something since the cursor is not kept any more, or none was given. */
  readonly isComplete: boolean;
}

/** How far one side of a conversation has come, as positions; null before the first. */
interface Marks {
  readonly delivered: number | null;
  readonly read: number | null;
}

/** A conversation, as one side of it sees it. */
export interface Conversation {
  readonly with: string;
  readonly newest: number;
  readonly last: RecordedMessage | null;
  /** Messages of the other side behind one's own `read`, without what was erased; 1,000 stands for that and more. */
  readonly unread: number;
  readonly own: Marks;
  readonly peer: Marks;
}
