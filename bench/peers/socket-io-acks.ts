import { createServer } from 'node:http';
import { listen } from './listen.js';
import { ioOverRedis, type Sent } from './over-redis.js';

/** How long a recipient may take, in milliseconds. */
const ACK_MS = 10_000;

// A room for each user, on any process. The sender gets an acknowledgement when the recipient has acknowledged.
const server = createServer();
const io = ioOverRedis(server);
io.on('connection', (socket) => {
  const from = String(socket.handshake.query['user']);
  void socket.join(from);
  socket.on('send', ({ to, content }: Sent, acknowledge: () => void) => {
    io.to(to)
      .timeout(ACK_MS)
      .emit('message', { from, content }, (error: Error | null) => {
        if (!error) acknowledge();
      });
  });
});
listen(server);
