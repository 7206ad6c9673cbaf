import type { ChatError } from './chat-error.js';
import type { Message, Receipt } from './message.js';
import type { SendRequest } from './send-request.js';

/** The client confirms everything up to this `seq`. */
interface Ack {
  readonly seq: number;
}

/** What a client sends, in either protocol. */
export type ClientFrame = SendRequest | Ack;

/** The first frame of a JSON connection. */
export interface Welcome {
  readonly user: string;
  readonly connectionId: string;
  /** Messages that wait for this user in the store; null if the store cannot be read. */
  readonly pending: number | null;
  readonly ackWindow: number;
  readonly maxContentBytes: number;
  readonly heartbeatMs: number;
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
  receipts(receipts: readonly Receipt[]): string | null;
  caughtUp(delivered: number): string | null;
  exception(error: ChatError, id: string | undefined): string;
}
