import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

@WebSocketGateway({ path: '/prices' })
class PricesGateway {
  @SubscribeMessage('price')
  price(@MessageBody() symbol: string): { event: string; data: string } {
    return { event: 'price', data: `${symbol} costs 42` };
  }
}

@Module({ imports: [ChatModule.forRoot({ database })], providers: [PricesGateway] })
class AppModule {}

/** Beside a gateway of the application, through the same adapter. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
