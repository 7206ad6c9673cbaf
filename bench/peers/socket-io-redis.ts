import { createServer } from 'node:http';
import { listen } from './listen.js';
import { ioOverRedis, type Sent } from './over-redis.js';

// A room for each user, on any process. The sender gets an acknowledgement when the message was handed on.
const server = createServer();
const io = ioOverRedis(server);
io.on('connection', (socket) => {
  const from = String(socket.handshake.query['user']);
  void socket.join(from);
  socket.on('send', ({ to, content }: Sent, acknowledge: () => void) => {
    io.to(to).emit('message', { from, content });
    acknowledge();
  });
});
listen(server);
