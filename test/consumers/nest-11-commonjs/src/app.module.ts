import { Controller, Get, Injectable, Module, Param } from '@nestjs/common';
import { ChatModule, ChatService, OnChatEvent, type ChatEvents } from 'holdfast';
import { ObservabilityModule } from 'holdfast/observability';

@Injectable()
export class Absences {
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
      online: await this.chat.isOnline(user),
      pending: await this.chat.pending(user),
      missed: this.absences.missed.filter((name) => name === user).length,
    };
  }
}

const { BUS_URL, DATABASE_URL } = process.env;

const chat = ChatModule.forRoot({
  database: DATABASE_URL ?? { type: 'better-sqlite3', database: 'chat.sqlite' },
  cluster: BUS_URL ? { bus: { redis: BUS_URL } } : false,
});

@Module({
  imports: [chat, ObservabilityModule.register(chat)],
  controllers: [PeopleController],
  providers: [Absences],
})
export class AppModule {}
