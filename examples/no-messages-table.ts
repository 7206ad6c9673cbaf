import { Body, Controller, Get, Inject, Module, Param, Post, Query, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatService, ChatWsAdapter } from 'holdfast';
import { database } from './store.js';

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

@Controller('chats/:user')
class ChatsController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  @Get()
  async conversations(@Param('user') user: string): Promise<object[]> {
    const { items } = await this.chat.conversations(user);
    return items.map(({ with: peer, last, unread }) => ({ with: peer, last: last?.content, unread }));
  }

  @Get(':peer')
  async history(
    @Param('user') user: string,
    @Param('peer') peer: string,
    @Query('before') before?: string,
  ): Promise<object> {
    const page = await this.chat.history(user, { with: peer, ...(before !== undefined && { before }) });
    const items = page.items.map(({ position, from, content }) => ({ position, from, content }));
    return { items, before: page.before };
  }

  @Post(':peer')
  async send(
    @Param('user') from: string,
    @Param('peer') to: string,
    @Body('content') content: string,
  ): Promise<object> {
    return this.chat.send({ from, to, content });
  }

  @Post(':peer/read')
  markRead(@Param('user') user: string, @Param('peer') peer: string, @Body('upTo') upTo: string): Promise<void> {
    return this.chat.markRead(user, { with: peer, upTo });
  }
}

@Module({
  imports: [ChatModule.forRoot({ database, record: { keepMs: YEAR_MS } })],
  controllers: [ChatsController],
})
class AppModule {}

/** The small chat of messages-table.ts, without its tables: what was said is in the record. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
