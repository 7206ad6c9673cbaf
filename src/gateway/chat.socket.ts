import { WebSocket } from 'ws';

/**
 * A WebSocket that emits `closing` before it sends its close frame, whichever side closes first. What the turn has
 * gathered has to be sent before, as nothing may follow a close frame [RFC 6455 5.5.1].
 */
export class ChatSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    this.emit('closing');
    super.close(code, reason);
  }
}
