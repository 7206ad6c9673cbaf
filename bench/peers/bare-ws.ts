import { createServer } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { listen } from './listen.js';
import { userOf } from './user-of.js';

// The least that a relay can do: no checks, no receipts, no store.
const server = createServer();
const users = new Map<string, WebSocket>();
new WebSocketServer({ server }).on('connection', (socket, request) => {
  const user = userOf(request);
  users.set(user, socket);
  socket.on('close', () => users.delete(user));
  socket.on('error', () => socket.terminate());
  socket.on('message', (data) => {
    const frame = (data as Buffer).toString();
    const bar = frame.indexOf('|');
    if (bar < 0) for (const other of users.values()) other.send(frame);
    else users.get(frame.slice(0, bar))?.send(frame.slice(bar + 1));
  });
});
listen(server);
