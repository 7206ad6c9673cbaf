import 'reflect-metadata';
import { Controller, Delete, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { ChatModule, ChatService, ChatWsAdapter, outgoingMigrations } from 'holdfast';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('note')
class Note {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  about!: string;
}

@Controller('people/:user')
class PeopleController {
  constructor(
    private readonly chat: ChatService,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  @Get()
  async show(@Param('user') user: string) {
    return {
      online: await this.chat.isOnline(user),
      connections: (await this.chat.connections(user)).map((connection) => connection.user),
      notes: await this.dataSource.getRepository(Note).countBy({ about: user }),
    };
  }

  @Post('greetings')
  async greet(@Param('user') user: string) {
    const { status } = await this.chat.send({ from: 'office', to: user, content: 'hello' });
    return { status };
  }

  @Post('notes')
  async note(@Param('user') user: string) {
    return this.dataSource.transaction(async (manager) => {
      await manager.save(Note, { about: user });
      return { id: await this.chat.sendInTransaction(manager, { from: 'office', to: user, content: 'noted' }) };
    });
  }

  @Delete('connections')
  async disconnect(@Param('user') user: string) {
    return { closed: await this.chat.disconnect(user) };
  }
}

const { BUS_URL, DATABASE_URL: url, PORT } = process.env;

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url,
      entities: [Note],
      synchronize: true,
      migrations: outgoingMigrations,
      migrationsRun: true,
    }),
    ChatModule.forRoot({
      database: url,
      cluster: BUS_URL ? { bus: { redis: BUS_URL } } : true,
      outgoing: {},
    }),
  ],
  controllers: [PeopleController],
})
class OfficeModule {}

const app = await NestFactory.create(OfficeModule);
app.useWebSocketAdapter(new ChatWsAdapter(app));
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(Number(PORT ?? 3000), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
