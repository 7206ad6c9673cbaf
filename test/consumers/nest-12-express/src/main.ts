import 'reflect-metadata';
import { Controller, Get, Injectable, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ChatModule, ChatService, ChatWsAdapter, OnChatEvent, type ChatEvents } from 'holdfast';

@Injectable()
class Absences {
  readonly missed: string[] = [];

  @OnChatEvent('stored')
  note({ to, online }: ChatEvents['stored']): void {
    if (!online) this.missed.push(to);
  }
}

@Controller('people')
class PeopleController {
  constructor(
    private readonly chat: ChatService,
    private readonly absences: Absences,
  ) {}

  @Get(':user')
  async show(@Param('user') user: string) {
    return {
      online: this.chat.isOnline(user),
      pending: await this.chat.pending(user),
      missed: this.absences.missed.filter((name) => name === user).length,
    };
  }
}

@Module({
  imports: [
    ChatModule.forRootAsync({
      useFactory: () => ({ database: { type: 'better-sqlite3', database: 'chat.sqlite' } }),
    }),
  ],
  controllers: [PeopleController],
  providers: [Absences],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
app.useWebSocketAdapter(new ChatWsAdapter(app));
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
