import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ConnectionService } from '../../src/connections/connection.service.js';
import type { Connection } from '../../src/connections/connection.js';
import { JsonCodec } from '../../src/gateway/json.codec.js';
import { frameReader } from './frame-reader.js';

/**
 * The server's side of a JSON connection without a network. What is written to it is at once on the other side, or cut
 * off.
 */
export class FakeSocket {
  readyState: number = WebSocket.OPEN;
  readonly bufferedAmount = 0;
  readonly frames: { event: string; data: Record<string, unknown> }[] = [];
  closeCode: number | null = null;
  private readonly reader = frameReader({ message: (data) => void this.frames.push(JSON.parse(data.toString())) });

  /** Opens such a connection in `connections`. */
  static open(connections: ConnectionService, user: string): { socket: FakeSocket; connection: Connection } {
    const socket = new FakeSocket();
    const stream = Object.assign(new EventEmitter(), {
      write: (frames: Buffer) => socket.reader.write(frames),
      end: () => undefined,
      resume: () => undefined,
    });
    const connection = connections.open(socket as unknown as WebSocket, stream as unknown as Duplex, new JsonCodec(), {
      user,
      remoteAddress: '',
    });
    return { socket, connection };
  }

  close(code: number): void {
    this.readyState = WebSocket.CLOSING;
    this.closeCode = code;
  }

  ping(): void {}
  pause(): void {}
  resume(): void {}

  terminate(): void {
    this.readyState = WebSocket.CLOSED;
  }

  /** Returns the direct messages that came, in order. */
  messages(): { seq: number; id: string; from: string; to: string; content: string; stored: boolean }[] {
    return this.frames.filter(({ event }) => event === 'message').map(({ data }) => data as never);
  }
}
