import { Body, Controller, Get, Inject, Module, Param, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatService, ChatWsAdapter, type Authorize } from 'holdfast';
import { database } from './store.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
const SHOP = 'shop';

/** What the bell in the corner of a page shows. A real application takes the user from its own session. */
@Controller('bell/:user')
class BellController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  /** The number on the bell, and the list behind it. */
  @Get()
  async show(@Param('user') user: string): Promise<object> {
    const { items } = await this.chat.history(user, { with: SHOP, limit: 20 });
    return {
      unread: await this.chat.unread(user, SHOP),
      items: items.toReversed().map(({ position, content, meta, sentAt }) => ({ position, content, meta, sentAt })),
    };
  }

  /** The list was opened. The bells of the user's other pages get a `mark`. */
  @Post('seen')
  async seen(@Param('user') user: string, @Body('upTo') upTo: string): Promise<object> {
    await this.chat.markRead(user, { with: SHOP, upTo });
    return { unread: await this.chat.unread(user, SHOP) };
  }
}

@Controller('orders')
class OrdersController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  @Post(':id/ship/:buyer')
  async ship(@Param('id') order: string, @Param('buyer') to: string): Promise<object> {
    const meta = { link: `/orders/${order}` };
    return this.chat.send({ from: SHOP, to, content: 'Your order is on its way.', meta, id: `shipped-${order}` });
  }
}

/** Only the server sends. Users may read their record. */
const authorize: Authorize = ({ type }) => type === 'history';

@Module({
  imports: [
    ChatModule.forRootAsync({
      useFactory: () => ({ database, authorize, sessions: 'multiple', record: { keepMs: 90 * DAY_MS } }),
    }),
  ],
  controllers: [BellController, OrdersController],
})
class AppModule {}

/** A bell with a number on it: notifications that stay for 90 days, read or not, on all pages of a user. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
