import 'reflect-metadata';
import type { IncomingMessage, Server } from 'node:http';
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
} from '@nestjs/websockets';
import { Column, Entity, Index, PrimaryGeneratedColumn, Repository } from 'typeorm';
import type { WebSocket } from 'ws';
import { listen } from './listen.js';
import { userOf } from './user-of.js';

@Entity()
class Pending {
  @PrimaryGeneratedColumn()
  key!: number;

  @Index()
  @Column({ type: 'varchar' })
  to!: string;

  @Column({ type: 'varchar' })
  from!: string;

  @Column({ type: 'varchar' })
  id!: string;

  @Column({ type: 'text' })
  content!: string;
}

type Sent = Pick<Pending, 'id' | 'to' | 'content'>;

// The gateway of the framework's documentation. It saves messages to users who are away.
@WebSocketGateway({ path: '/chat' })
class Gateway implements OnGatewayConnection, OnGatewayDisconnect {
  private readonly sockets = new Map<string, WebSocket>();
  private readonly users = new Map<WebSocket, string>();

  constructor(@InjectRepository(Pending) private readonly pending: Repository<Pending>) {}

  async handleConnection(socket: WebSocket, request: IncomingMessage): Promise<void> {
    const user = userOf(request);
    this.sockets.set(user, socket);
    this.users.set(socket, user);
    const waiting = await this.pending.find({ where: { to: user }, order: { key: 'ASC' } });
    for (const { id, from, content } of waiting) write(socket, { id, from, content });
    await this.pending.remove(waiting, { chunk: 500 });
  }

  handleDisconnect(socket: WebSocket): void {
    this.sockets.delete(this.users.get(socket)!);
    this.users.delete(socket);
  }

  @SubscribeMessage('send')
  async send(@MessageBody() { id, to, content }: Sent, @ConnectedSocket() socket: WebSocket) {
    const from = this.users.get(socket)!;
    const recipient = this.sockets.get(to);
    if (recipient) write(recipient, { id, from, content });
    else await this.pending.save({ id, to, from, content });
    return { event: 'ack', data: { id } };
  }

  @SubscribeMessage('broadcast')
  broadcast(@MessageBody() { id, content }: Omit<Sent, 'to'>, @ConnectedSocket() socket: WebSocket) {
    for (const other of this.sockets.values()) write(other, { id, from: this.users.get(socket)!, content });
    return { event: 'ack', data: { id } };
  }
}

function write(socket: WebSocket, message: Pick<Pending, 'id' | 'from' | 'content'>): void {
  socket.send(JSON.stringify({ event: 'message', data: message }));
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'sqlite',
      database: join(process.env['BENCH_FOLDER']!, 'nest.sqlite'),
      enableWAL: true,
      synchronize: true,
      entities: [Pending],
    }),
    TypeOrmModule.forFeature([Pending]),
  ],
  providers: [Gateway],
})
class PeerModule {}

const app = await NestFactory.create(PeerModule, { logger: ['error'] });
app.useWebSocketAdapter(new WsAdapter(app));
await app.init();
listen(app.getHttpServer() as Server);
