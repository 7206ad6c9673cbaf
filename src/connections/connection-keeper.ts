import type { ErrorCode } from '../protocol/chat-error.js';
import type { ServerCodec } from '../protocol/frames.js';
import type { Message } from '../protocol/message.js';
import type { Connection } from './connection.js';

/** What a connection asks of whoever keeps the connections. */
export interface ConnectionKeeper {
  now(): number;
  /** Calls back once after so many milliseconds; answers how to cancel it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls `endTurn` of the connection once, at the end of this turn of the event loop. */
  atEndOfTurn(connection: Connection): void;
  /** The frame of a broadcast in the words of this codec. */
  broadcastFrame(message: Omit<Message, 'to'>, codec: ServerCodec): Buffer;
  /** A frame of a connection was refused. */
  onRefused(code: ErrorCode): void;
  /** A connection was closed from this side, with this code. */
  onClosed(code: number): void;
  /** A broadcast was not written to a connection that does not read. */
  onBroadcastSkipped(): void;
}
