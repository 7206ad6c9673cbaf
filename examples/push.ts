import { Controller, Inject, Injectable, Module, Param, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ChatModule,
  ChatService,
  ChatWsAdapter,
  OnChatEvent,
  type Authorize,
  type ChatEvents,
  type Receipt,
} from 'holdfast';
import { database } from './store.js';

/** Tells people who are away, by other means, that something waits for them. */
@Injectable()
export class PushNotifications {
  readonly sent: string[] = [];

  @OnChatEvent('stored')
  notify({ to, from, online }: ChatEvents['stored']): void {
    if (!online) this.sent.push(`${to}: ${from} wrote to you`);
  }
}

/** An order is shipped, and its buyer hears of it in the chat, now or when they are back. */
@Controller('orders')
class OrdersController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  @Post(':id/ship/:buyer')
  ship(@Param('id') id: string, @Param('buyer') buyer: string): Promise<Receipt> {
    return this.chat.send({ from: 'shop', to: buyer, content: `order ${id} is on its way`, id: `shipped-${id}` });
  }
}

/** Only the shop speaks to everybody. */
const authorize: Authorize = (command, { user }) => command.type === 'send' || user === 'shop';

@Module({
  imports: [ChatModule.forRootAsync({ useFactory: () => ({ database, authorize }) })],
  controllers: [OrdersController],
  providers: [PushNotifications],
})
class AppModule {}

/** Notifications: the application sends through ChatService, listens, and has a policy. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
