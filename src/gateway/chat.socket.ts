import { WebSocket, type RawData } from 'ws';
import type { JsonCodec } from './json.codec.js';
import type { SendQueue } from './send-queue.js';
import type { TextCodec } from './text.codec.js';

/** Handles what comes from the sockets: the gateway. */
export interface SocketHandler {
  handleFrame(queue: SendQueue, codec: JsonCodec | TextCodec, data: RawData, isBinary: boolean): void;
  handlePing(queue: SendQueue, payload: Buffer): void;
  handlePong(queue: SendQueue, payload: Buffer): void;
  handleError(queue: SendQueue, error: NodeJS.ErrnoException): void;
  handleClosing(queue: SendQueue): void;
}

interface Served {
  readonly handler: SocketHandler;
  readonly queue: SendQueue;
  readonly codec: JsonCodec | TextCodec;
}

/**
 * A WebSocket that tells its handler when it is about to send its close frame, whichever side closes first. What the
 * turn has gathered has to be sent before, as nothing may follow a close frame [RFC 6455 5.5.1].
 *
 * All sockets share their listeners, because functions of its own would make each connection dearer to open and to keep.
 */
export class ChatSocket extends WebSocket {
  /** Null until its connection is open. */
  served: Served | null = null;

  serve(served: Served): void {
    this.served = served;
    this.on('message', onMessage).on('ping', onPing).on('pong', onPong).on('error', onError);
  }

  override close(code?: number, reason?: string | Buffer): void {
    if (this.served) this.served.handler.handleClosing(this.served.queue);
    super.close(code, reason);
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const { handler, queue, codec } = (this as ChatSocket).served!;
  handler.handleFrame(queue, codec, data, isBinary);
}

function onPing(this: WebSocket, payload: Buffer): void {
  const { handler, queue } = (this as ChatSocket).served!;
  handler.handlePing(queue, payload);
}

function onPong(this: WebSocket, payload: Buffer): void {
  const { handler, queue } = (this as ChatSocket).served!;
  handler.handlePong(queue, payload);
}

function onError(this: WebSocket, error: Error): void {
  const { handler, queue } = (this as ChatSocket).served!;
  handler.handleError(queue, error);
}
