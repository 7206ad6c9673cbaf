import { Body, Controller, Get, Inject, Injectable, Module, Param, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatService, ChatWsAdapter, OnChatEvent, type Authorize, type ChatEvents } from 'holdfast';
import { database } from './store.js';

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;
/** Customers write to this name, and every agent answers under it. */
const DESK = 'support';
/** Who works at the desk. A real application knows that from its own users. */
const AGENTS = ['agent-ann', 'agent-ben'];

/** What agents do. A real application lets in nobody else, and takes the agent from its own session. */
@Controller('desk')
class DeskController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  /** The customers, who has written last first, each with how much nobody has read yet. */
  @Get()
  async customers(): Promise<object> {
    const { items } = await this.chat.conversations(DESK);
    return items.map(({ with: customer, unread, last }) => ({ customer, unread, last: last?.content }));
  }

  /** Opens a conversation, which is read then for all agents. */
  @Get(':customer')
  async open(@Param('customer') customer: string): Promise<object> {
    const { items } = await this.chat.history(DESK, { with: customer });
    const newest = items.at(-1);
    if (newest) await this.chat.markRead(DESK, { with: customer, upTo: newest.position });
    return items.map(({ from, content, meta }) => ({ from, content, ...meta }));
  }

  @Post(':customer')
  reply(
    @Param('customer') to: string,
    @Body() { agent, content }: { agent: string; content: string },
  ): Promise<object> {
    return this.chat.send({ from: DESK, to, content, meta: { agent } });
  }
}

/** Tells the agents who are connected that a customer has written. Whoever is not sees it in the list. */
@Injectable()
class Desk {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  @OnChatEvent('accepted')
  async onAccepted({ from, to, id }: ChatEvents['accepted']): Promise<void> {
    if (to !== DESK) return;
    // Nobody connects as the desk: what the agents read is the record, and nothing has to wait.
    await this.chat.purge(DESK, { from, id });
    for (const agent of AGENTS)
      await this.chat.signal({ from: DESK, to: agent, kind: 'customer', data: { customer: from } });
  }
}

/** Customers write to the desk only; agents answer over the routes above. */
const authorize: Authorize = ({ type, to }) => type === 'history' || to === DESK;

@Module({
  imports: [
    ChatModule.forRootAsync({
      useFactory: () => ({ database, authorize, record: { keepMs: YEAR_MS } }),
    }),
  ],
  controllers: [DeskController],
  providers: [Desk],
})
class AppModule {}

/** A support desk: several agents share one inbox, and answer under one name. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
