import 'reflect-metadata';
import { Controller, Get, Injectable, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway, type OnGatewayConnection } from '@nestjs/websockets';
import { ChatModule, ChatService, ChatWsAdapter, OnChatEvent, type ChatEvents } from 'holdfast';
import { WebSocket } from 'ws';

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
      online: await this.chat.isOnline(user),
      pending: await this.chat.pending(user),
      missed: this.absences.missed.filter((name) => name === user).length,
    };
  }
}

@WebSocketGateway({ path: '/kind' })
class KindGateway implements OnGatewayConnection {
  handleConnection(client: WebSocket): void {
    client.send(client instanceof WebSocket ? 'a WebSocket' : 'something else');
  }
}

@Module({
  imports: [ChatModule.forRoot()],
  controllers: [PeopleController],
  providers: [Absences, KindGateway],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
app.useWebSocketAdapter(new ChatWsAdapter(app));
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
