import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ChatModule, ChatWsAdapter } from 'holdfast';

const url = () => process.env['EXAMPLE_POSTGRES'] ?? 'postgres://postgres@127.0.0.1/postgres';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({ useFactory: () => ({ type: 'postgres', url: url(), autoLoadEntities: true }) }),
    ChatModule.forRootAsync({ useFactory: () => ({ database: { type: 'postgres', url: url() } }) }),
  ],
})
class AppModule {}

/**
 * In the Postgres database of the application. The chat has its own connection, and its tables and migrations are
 * beside the others.
 */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
