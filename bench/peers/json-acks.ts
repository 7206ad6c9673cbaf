import { createServer } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { listen } from './listen.js';
import { userOf } from './user-of.js';

interface Frame {
  readonly event: 'send' | 'broadcast' | 'ack';
  readonly data: { readonly id: string; readonly to: string; readonly content: string };
}

// The bare relay with ids: the recipient acknowledges each message with a frame, and its sender gets one for it.
const server = createServer();
const users = new Map<string, WebSocket>();
new WebSocketServer({ server }).on('connection', (socket, request) => {
  const user = userOf(request);
  users.set(user, socket);
  socket.on('close', () => users.delete(user));
  socket.on('error', () => socket.terminate());
  socket.on('message', (bytes) => {
    const { event, data } = JSON.parse((bytes as Buffer).toString()) as Frame;
    if (event === 'ack') users.get(data.to)?.send(JSON.stringify({ event: 'receipt', data: { id: data.id } }));
    else {
      const frame = JSON.stringify({ event: 'message', data: { id: data.id, from: user, content: data.content } });
      if (event === 'send') users.get(data.to)?.send(frame);
      else for (const other of users.values()) other.send(frame);
    }
  });
});
listen(server);
