import type { Server as HttpServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

export interface Sent {
  readonly to: string;
  readonly content: string;
}

/** Socket.IO with its adapter for several processes, over the Redis of the benchmark. */
export function ioOverRedis(server: HttpServer): Server {
  const publisher = new Redis(process.env['CHAT_BUS_URL']!);
  const adapter = createAdapter(publisher, publisher.duplicate());
  return new Server(server, { transports: ['websocket'], serveClient: false, adapter });
}
