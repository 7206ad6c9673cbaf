import type { ChatError } from './chat-error.js';
import type { Message, Receipt } from './message.js';

/** What a connected client asks for, whichever protocol it speaks. */
export type Command =
  | { readonly type: 'send'; readonly to: string; readonly content: string; readonly id?: string }
  | { readonly type: 'broadcast'; readonly content: string; readonly id?: string }
  | { readonly type: 'ack'; readonly seq: number };

/** The first frame of a JSON connection. */
export interface Welcome {
  readonly user: string;
  readonly connectionId: string;
  /** Messages that wait for this user in the store; null when the store can't be read. */
  readonly pending: number | null;
  readonly ackWindow: number;
  readonly maxContentBytes: number;
  readonly heartbeatMs: number;
  /** In milliseconds since 1970. */
  readonly serverTime: number;
}

/**
 * Writes what the server has to say in the words of one protocol. Null means that this protocol has no word for it
 * (a text client gets no receipts).
 */
export interface ServerCodec {
  readonly protocol: 'text' | 'json';
  welcome(welcome: Welcome): string | null;
  /** `late`: the message had to wait, in the store or behind others. */
  message(message: Message, seq: number, late: boolean): string;
  broadcast(message: Omit<Message, 'to'>): string;
  receipts(receipts: readonly Receipt[]): string | null;
  caughtUp(delivered: number): string | null;
  exception(error: ChatError, id: string | undefined): string;
}
