import { WebSocket } from 'ws';

/**
 * A WebSocket that emits `closing` before its close frame leaves, whichever side closes first. What waits for the end of
 * the turn has to leave before, as nothing may follow a close frame [RFC 6455 5.5.1].
 */
export class ChatSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    this.emit('closing');
    super.close(code, reason);
  }
}
