import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

@WebSocketGateway()
class PricesGateway {
  @SubscribeMessage('price')
  price(@MessageBody() symbol: string): string {
    return `${symbol} costs 42`;
  }
}

@Module({ imports: [ChatModule.forRoot({ database })], providers: [PricesGateway] })
class AppModule {}

/** Beside Socket.IO on the same port. The other gateways keep their adapter. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app, { others: new IoAdapter(app) }));
  return app;
}
