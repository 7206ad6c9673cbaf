import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

@Module({
  imports: [ChatModule.forRoot({ database, sessions: 'multiple', record: { keepMs: YEAR_MS } })],
})
class AppModule {}

/**
 * A chat on a phone and a laptop at once. What one sends comes to the other as an `echo`, what one has read is a `mark`
 * for the other, and one that was off asks for the rest with `sync`. All of it is in the option `record`.
 */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
