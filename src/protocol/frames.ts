import type { ChatError } from './chat-error.js';
import type { Message, Receipt } from './message.js';
import type { News } from './news.js';
import type { ConversationsRequest, HistoryRequest, ReadRequest, SyncRequest } from './record-request.js';
import type { CheckedRequest } from './send-request.js';
import type { Signal } from './signal.js';
import type { WireConversations, WireHistory, WireSync, WireWelcome } from './wire.js';

/** The client confirms everything up to this `seq`. */
interface Ack {
  readonly seq: number;
}

/** A frame that waits for no message: the client asks for a pong, brings a new token, or sends a signal. */
export type ControlFrame =
  | { readonly event: 'ping' }
  | { readonly event: 'renew'; readonly token: string }
  | { readonly event: 'signal'; readonly signal: Signal };

/** What a client asks of the record. All but `read` are answered by a frame of the same name, with this id. */
export type RecordFrame =
  | { readonly event: 'history'; readonly id: string; readonly request: HistoryRequest }
  | { readonly event: 'sync'; readonly id: string; readonly request: SyncRequest }
  | { readonly event: 'conversations'; readonly id: string; readonly request: ConversationsRequest }
  | { readonly event: 'read'; readonly id?: undefined; readonly request: ReadRequest };

/** What the record answers, as it is on the wire. */
export type RecordAnswer =
  | { readonly event: 'history'; readonly data: WireHistory }
  | { readonly event: 'sync'; readonly data: WireSync }
  | { readonly event: 'conversations'; readonly data: WireConversations };

/** What a client sends, in either protocol. */
export type ClientFrame = CheckedRequest | Ack | ControlFrame | RecordFrame;

/** The first frame of a JSON connection. */
export interface Welcome extends Omit<WireWelcome, 'serverTime'> {
  /** In milliseconds since 1970. */
  readonly serverTime: number;
}

/**
 * Writes the frames of the server, one method for each, in one protocol. Null means that the protocol has no such
 * frame: a text client gets no receipts.
 */
export interface ServerCodec {
  readonly protocol: 'text' | 'json';
  welcome(welcome: Welcome): string | null;
  /** `delayed`: whether the message had to wait, in the store or behind others. */
  message(message: Message, seq: number, delayed: boolean): string;
  broadcast(message: Omit<Message, 'to'>): string;
  signal(signal: Signal): string | null;
  receipts(receipts: readonly Receipt[]): string | null;
  /** `user` is who is told. */
  news(news: News, user: string): string | null;
  caughtUp(delivered: number): string | null;
  record(answer: RecordAnswer): string | null;
  pong(): string | null;
  /** When the connection ends, in milliseconds since 1970; null when it does not. */
  renewed(expiresAt: number | null): string | null;
  exception(error: ChatError, id: string | undefined): string;
}
