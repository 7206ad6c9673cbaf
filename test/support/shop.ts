import { Injectable } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions, EntityManager } from 'typeorm';
import {
  ChatModule,
  ChatService,
  OnChatEvent,
  outgoingMigrations,
  type ChatModuleOptions,
  type OutgoingMessage,
  type OutgoingRefusal,
} from '../../src/index.js';
import { IN_MEMORY } from '../../src/testing/index.js';
import { eventually } from './deadline.js';
import { HostApp } from './host-app.js';
import { ManualClock } from './manual-clock.js';

@Injectable()
class Refusals {
  readonly list: OutgoingRefusal[] = [];

  @OnChatEvent('refused')
  note(refusal: OutgoingRefusal): void {
    this.list.push(refusal);
  }
}

/** An application whose transactions save orders and tell buyers, with a chat whose store is in memory. */
export class Shop {
  readonly dataSource: DataSource;
  readonly chat: ChatService;

  private constructor(
    readonly host: HostApp,
    readonly clock: ManualClock,
  ) {
    this.dataSource = host.app.get<DataSource>(getDataSourceToken());
    this.chat = host.app.get(ChatService, { strict: false });
  }

  static async start(
    database: DataSourceOptions,
    options: ChatModuleOptions = {},
    clock: ManualClock = new ManualClock(),
  ): Promise<Shop> {
    const host = await HostApp.start({
      imports: [
        TypeOrmModule.forRoot({
          migrations: outgoingMigrations,
          migrationsRun: true,
          ...database,
          toRetry: () => false,
        }),
        ChatModule.forRoot({ ...IN_MEMORY, clock, outgoing: {}, ...options }),
      ],
      providers: [Refusals],
    });
    return new Shop(host, clock);
  }

  /** Runs a transaction that sends these messages, and then what else is to happen in it. */
  async order(messages: readonly OutgoingMessage[], rest: (manager: EntityManager) => Promise<void> = async () => {}) {
    return this.dataSource.transaction(async (manager) => {
      for (const message of messages) await this.chat.sendInTransaction(manager, message);
      await rest(manager);
    });
  }

  /** What waits for somebody in the chat, in order. */
  async waiting(user: string): Promise<string[]> {
    const store = this.host.app.get<DataSource>(getDataSourceToken('holdfast'));
    const rows = (await store.query(
      'SELECT content FROM holdfast_offline_message WHERE recipient = ? ORDER BY position',
      [user],
    )) as { content: string }[];
    return rows.map(({ content }) => content);
  }

  /** How many rows wait to be sent. */
  async rows(): Promise<number> {
    const [row] = (await this.dataSource.query('SELECT count(*) AS count FROM holdfast_outgoing')) as {
      count: string | number;
    }[];
    return Number(row!.count);
  }

  /** Waits until everything that is due was sent. */
  async untilSent(rows = 0): Promise<void> {
    await eventually(
      async () => (await this.rows()) === rows,
      () => `${rows} rows are left`,
    );
  }

  /** The same, while seconds pass. */
  async untilSentLater(rows = 0): Promise<void> {
    await eventually(
      async () => (this.clock.advance(1_000), (await this.rows()) === rows),
      () => `${rows} rows are left`,
    );
  }

  get refusals(): readonly OutgoingRefusal[] {
    return this.host.app.get(Refusals).list;
  }

  close(): Promise<void> {
    return this.host.close();
  }
}

/** A message of the shop. */
export const toBob = (content: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  from: 'shop',
  to: 'bob',
  content,
  ...more,
});
