import {
  Body,
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Param,
  Post,
  Query,
  type INestApplication,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectRepository, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { ChatModule, ChatService, ChatWsAdapter, OnChatEvent, type ChatEvents } from 'holdfast';
import { Column, Entity, Index, LessThan, MoreThan, PrimaryGeneratedColumn, type Repository } from 'typeorm';
import { database } from './store.js';

/** The table that every chat application has: no-messages-table.ts is the same application without it. */
@Entity()
@Index(['conversation', 'id'])
class ChatRow {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'varchar' })
  conversation!: string;

  @Column({ type: 'varchar' })
  sender!: string;

  @Column({ type: 'varchar' })
  recipient!: string;

  @Column({ type: 'varchar' })
  content!: string;
}

/** How far each user has read each conversation. */
@Entity()
@Index(['conversation', 'user'], { unique: true })
class ReadRow {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'varchar' })
  conversation!: string;

  @Column({ type: 'varchar' })
  user!: string;

  @Column({ type: 'integer' })
  upTo!: number;
}

const conversationOf = (one: string, other: string) => [one, other].sort().join('|');

@Injectable()
class Messages {
  constructor(
    @InjectRepository(ChatRow) private readonly rows: Repository<ChatRow>,
    @InjectRepository(ReadRow) private readonly reads: Repository<ReadRow>,
  ) {}

  /** An event is not repeated after a crash: a message that has a receipt may be missing here. */
  @OnChatEvent('accepted')
  async keep({ from, to, content }: ChatEvents['accepted']): Promise<void> {
    await this.rows.insert({ conversation: conversationOf(from, to), sender: from, recipient: to, content });
  }

  async conversations(user: string): Promise<object[]> {
    const newest = await this.rows
      .createQueryBuilder('m')
      .select('m.conversation', 'conversation')
      .addSelect('MAX(m.id)', 'id')
      .where('m.sender = :user OR m.recipient = :user', { user })
      .groupBy('m.conversation')
      .orderBy('MAX(m.id)', 'DESC')
      .getRawMany<{ conversation: string; id: number }>();
    const found: object[] = [];
    for (const { conversation, id } of newest) {
      const { sender, recipient, content } = await this.rows.findOneByOrFail({ id });
      const peer = sender === user ? recipient : sender;
      found.push({ with: peer, last: content, unread: await this.unread(user, conversation) });
    }
    return found;
  }

  async history(user: string, peer: string, before?: string): Promise<object> {
    const conversation = conversationOf(user, peer);
    const rows = await this.rows.find({
      where: { conversation, ...(before && { id: LessThan(Number(before)) }) },
      order: { id: 'DESC' },
      take: 50,
    });
    const items = rows.reverse().map(({ id, sender, content }) => ({ position: String(id), from: sender, content }));
    return { items, before: rows.length === 50 ? items[0]!.position : null };
  }

  async markRead(user: string, peer: string, upTo: string): Promise<void> {
    const row = { conversation: conversationOf(user, peer), user, upTo: Number(upTo) };
    await this.reads.upsert(row, ['conversation', 'user']);
  }

  private async unread(user: string, conversation: string): Promise<number> {
    const read = await this.reads.findOneBy({ conversation, user });
    return this.rows.countBy({ conversation, recipient: user, id: MoreThan(read?.upTo ?? 0) });
  }
}

@Controller('chats/:user')
class ChatsController {
  constructor(
    @Inject(ChatService) private readonly chat: ChatService,
    @Inject(Messages) private readonly messages: Messages,
  ) {}

  @Get()
  conversations(@Param('user') user: string): Promise<object[]> {
    return this.messages.conversations(user);
  }

  @Get(':peer')
  history(@Param('user') user: string, @Param('peer') peer: string, @Query('before') before?: string): Promise<object> {
    return this.messages.history(user, peer, before);
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
    return this.messages.markRead(user, peer, upTo);
  }
}

const entities = [ChatRow, ReadRow];
const own: TypeOrmModuleOptions = { type: 'sqlite', database: ':memory:', entities, synchronize: true };

@Module({
  imports: [TypeOrmModule.forRoot(own), TypeOrmModule.forFeature(entities), ChatModule.forRoot({ database })],
  controllers: [ChatsController],
  providers: [Messages],
})
class AppModule {}

/** A small chat with a table of its own beside Holdfast. */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
