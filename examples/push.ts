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

/** Stands for the service that wakes phones up. */
@Injectable()
export class PushService {
  readonly sent: string[] = [];

  async send(to: string, text: string): Promise<void> {
    this.sent.push(`${to}: ${text}`);
  }
}

/** Wakes people up, by other means, for whom something waits: once until they fetch it, however many messages come. */
@Injectable()
export class PushNotifications {
  constructor(@Inject(PushService) private readonly push: PushService) {}

  @OnChatEvent('waiting')
  async onWaiting({ user, count, from }: ChatEvents['waiting']): Promise<void> {
    // When it rejects, this method is called again later.
    await this.push.send(user, `${count} new, from ${from.join(', ')}`);
  }
}

/** When an order is shipped, its buyer gets a chat message, now or at the next connection. */
@Controller('orders')
class OrdersController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  @Post(':id/ship/:buyer')
  ship(@Param('id') id: string, @Param('buyer') buyer: string): Promise<Receipt> {
    return this.chat.send({ from: 'shop', to: buyer, content: `order ${id} is on its way`, id: `shipped-${id}` });
  }
}

/** Only the shop may broadcast. */
const authorize: Authorize = ({ to }, { user }) => to !== undefined || user === 'shop';

@Module({
  imports: [ChatModule.forRootAsync({ useFactory: () => ({ database, authorize }) })],
  controllers: [OrdersController],
  providers: [PushService, PushNotifications],
})
export class AppModule {}

/** Notifications: the application sends through ChatService, listens to its events, and has a policy. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
