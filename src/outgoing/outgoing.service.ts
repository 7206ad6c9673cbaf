import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions, EntitySubscriberInterface, QueryRunner } from 'typeorm';
import { resolveDatabaseOption } from '../database/database-option.js';
import { Delivery } from '../delivery/delivery.js';
import { CHAT_OPTIONS, ChatOptionsError, type ChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import { MODULE_OPTIONS } from '../options/options.module.js';
import { errors } from '../protocol/chat-error.js';
import { checkName } from '../protocol/send-request.js';
import { connectionTo, type OutgoingConnection } from './outgoing-connection.js';
import { checkDatabase, checkOutgoingOptions, type OutgoingOptions } from './outgoing.options.js';
import { rowOf, type OutgoingMessage } from './outgoing-message.js';
import { OutgoingQueue, type OutgoingRefusal } from './outgoing-queue.js';
import { OUTGOING_TABLE, OutgoingTable } from './outgoing-table.js';

/** How many messages may wait in the table. */
const MAX_WAITING = 100_000;
/** How long a count of them is good for, in milliseconds. What this process inserts is added to it. */
const COUNTED_MS = 1_000;

/** Where the outgoing messages are. */
interface Source {
  /** The data source of the application, if it has one. */
  readonly host: DataSource | null;
  readonly options: DataSourceOptions;
  readonly table: OutgoingTable;
}

/** What TypeORM's `transaction()` gives to its callback, as far as it is needed here. */
export type TransactionManager = Pick<DataSource['manager'], 'queryRunner' | 'connection'>;

/** Which message is cancelled. */
export type ScheduledMessage = Pick<OutgoingMessage, 'from' | 'to'> & { readonly id: string };

/**
 * Messages that are part of a transaction of the application: they are inserted into a table of its database, and sent
 * from there. Without the option `outgoing` it does nothing.
 */
@Injectable()
export class OutgoingService implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  /** A message was refused for good, after its transaction. */
  readonly refused = new Emitter<OutgoingRefusal>(new Logger('Outgoing'), 'refused');
  private source: Source | null = null;
  private queue: OutgoingQueue | null = null;
  private counted = { at: -Infinity, rows: 0 };
  /** Transactions with a message in them. */
  private readonly sending = new WeakSet<QueryRunner>();
  private readonly subscriber: EntitySubscriberInterface = {
    afterTransactionCommit: ({ queryRunner }) => {
      // It is also called for a savepoint, when the transaction goes on.
      if (!queryRunner.isTransactionActive && this.sending.delete(queryRunner)) this.queue?.wake();
    },
  };

  constructor(
    @Inject(MODULE_OPTIONS) private readonly given: { readonly outgoing?: unknown },
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  onModuleInit(): void {
    const { outgoing } = this.given;
    if (outgoing === undefined || outgoing === null) return;
    const checked = checkOutgoingOptions(outgoing);
    const host = this.hostOf(checked);
    const options = host ? host.options : resolveDatabaseOption(checked.database);
    checkDatabase(options, checked);
    const table = new OutgoingTable(options.type, (options as { schema?: string }).schema);
    this.source = { host, options, table };
    host?.subscribers.push(this.subscriber);
  }

  /** Begins to send what waits; rejects when the table is not there. */
  async onApplicationBootstrap(): Promise<void> {
    if (!this.source) return;
    const { host, options, table } = this.source;
    const connection = connectionTo(options, host);
    this.queue = new OutgoingQueue(table, connection, this.delivery, this.options, this.refused);
    try {
      await this.queue.start();
    } catch (cause) {
      await this.giveUp(connection);
      throw new Error(
        `The table ${OUTGOING_TABLE} can't be used (${String(cause)}); add outgoingMigrations to the migrations of the application's database, and run them.`,
        { cause },
      );
    }
  }

  onModuleDestroy(): void {
    this.queue?.stop();
    const subscribers = this.source?.host?.subscribers;
    const index = subscribers?.indexOf(this.subscriber) ?? -1;
    if (index >= 0) subscribers!.splice(index, 1);
  }

  /** Runs after the gateway has waited for all receipts. */
  async onApplicationShutdown(): Promise<void> {
    await this.queue?.close();
  }

  /** Inserts a message in a transaction; returns its id. Rejects with a ChatError, before anything is inserted. */
  async insert(manager: TransactionManager, message: OutgoingMessage): Promise<string> {
    const { host, table } = this.required();
    const row = rowOf(message, this.options, this.options.clock.now());
    const runner = runnerOf(manager, host);
    if (!runner?.isTransactionActive) {
      throw new Error(
        'The manager that sendInTransaction was given has no open transaction; give it the one that the callback of transaction() gets.',
      );
    }
    await this.makeRoom(table, runner);
    await table.insert(row, runner);
    this.sending.add(runner);
    return row.id;
  }

  /** Deletes a scheduled message; returns whether it was there. */
  async cancel({ from, to, id }: ScheduledMessage, manager: TransactionManager | undefined): Promise<boolean> {
    const { host, options, table } = this.required();
    const [sender, recipient] = [checkName(from, 'from'), checkName(to, 'to')];
    const runner = manager && runnerOf(manager, host);
    if (runner) return table.cancel(sender, id, recipient, runner);
    if (!host) {
      throw new Error(
        `cancelScheduled needs a manager, as the option outgoing has no dataSource but a database on ${options.type}.`,
      );
    }
    const own = host.createQueryRunner();
    try {
      return await table.cancel(sender, id, recipient, own);
    } finally {
      await own.release();
    }
  }

  /** Deletes what waits from and to a user, and resolves when nothing of it is being sent. */
  async removeOf(user: string): Promise<void> {
    if (!this.source) return;
    if (!this.queue) throw errors.goingAway(); // It has not begun yet, or has ended.
    await this.queue.removeOf(user);
  }

  /** Counting all rows for each message would cost more the more there are. */
  private async makeRoom(table: OutgoingTable, runner: QueryRunner): Promise<void> {
    const now = this.options.clock.monotonic();
    if (now - this.counted.at >= COUNTED_MS || this.counted.rows >= MAX_WAITING) {
      this.counted = { at: now, rows: await table.count(MAX_WAITING, runner) };
    }
    if (this.counted.rows >= MAX_WAITING) throw errors.tooManyOutgoing(MAX_WAITING);
    this.counted.rows += 1;
  }

  private required(): Source {
    if (this.source) return this.source;
    throw new ChatOptionsError(
      'outgoing',
      'is not given',
      "give { dataSource: 'default' } and run outgoingMigrations, to send in transactions",
    );
  }

  private hostOf({ dataSource, database }: OutgoingOptions): DataSource | null {
    if (database !== undefined) return null;
    try {
      return this.modules.get<DataSource>(getDataSourceToken(dataSource), { strict: false });
    } catch {
      throw new ChatOptionsError(
        'outgoing.dataSource',
        `is '${dataSource}', and TypeOrmModule has no data source of that name`,
        'give the name of one, or a database',
      );
    }
  }

  private async giveUp(connection: OutgoingConnection): Promise<void> {
    this.queue = null;
    this.onModuleDestroy();
    await connection.close();
  }
}

/** Returns the connection of a manager; throws an Error when it is of another database than the one that is looked at. */
function runnerOf(manager: TransactionManager, host: DataSource | null): QueryRunner | undefined {
  if (host && manager.connection !== host) {
    throw new Error('The manager is of another data source than the one in the option outgoing; give one of that.');
  }
  return manager.queryRunner;
}
