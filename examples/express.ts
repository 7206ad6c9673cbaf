import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

@Module({ imports: [ChatModule.forRoot({ database })] })
class AppModule {}

/** The chat in an application on Express: the module, and the adapter. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
