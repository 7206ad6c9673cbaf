import { createServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import { listen } from './listen.js';

interface Sent {
  readonly to: string;
  readonly content: string;
}

// A room for each user. The sender gets an acknowledgement when the message was handed on.
const server = createServer();
const io = new Server(server, { transports: ['websocket'], serveClient: false });
io.on('connection', (socket: Socket) => {
  const from = String(socket.handshake.query['user']);
  void socket.join(from);
  socket.on('send', ({ to, content }: Sent, acknowledge: () => void) => {
    io.to(to).emit('message', { from, content });
    acknowledge();
  });
  socket.on('broadcast', ({ content }: Sent, acknowledge: () => void) => {
    io.emit('message', { from, content });
    acknowledge();
  });
});
listen(server);
