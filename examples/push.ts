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

/**
 * Tells people who are away, by other means, that something waits for them: once until they are back, however many
 * messages come. A phone that fell silent counts as online until the heartbeat notices, and is told then.
 */
@Injectable()
export class PushNotifications {
  /** Users who were told and have not connected since. */
  private readonly told = new Set<string>();

  constructor(
    @Inject(ChatService) private readonly chat: ChatService,
    @Inject(PushService) private readonly push: PushService,
  ) {}

  @OnChatEvent('stored')
  async onStored({ to, online }: ChatEvents['stored']): Promise<void> {
    if (!online) await this.tell(to);
  }

  @OnChatEvent('disconnected')
  async onDisconnected({ user, online }: ChatEvents['disconnected']): Promise<void> {
    // Messages were stored while it seemed to be online, and were never confirmed.
    if (!online && (await this.chat.pending(user)) > 0 && !this.chat.isOnline(user)) await this.tell(user);
  }

  @OnChatEvent('connected')
  onConnected({ user }: ChatEvents['connected']): void {
    this.told.delete(user);
  }

  private async tell(user: string): Promise<void> {
    if (this.told.has(user)) return;
    this.told.add(user);
    try {
      await this.push.send(user, 'something waits for you');
    } catch (error) {
      this.told.delete(user); // The next message tries again; the error goes to the log.
      throw error;
    }
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
