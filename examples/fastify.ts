import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

@Module({ imports: [ChatModule.forRoot({ database })] })
class AppModule {}

/** The same on Fastify. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), {
    logger: ['error', 'warn'],
  });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
