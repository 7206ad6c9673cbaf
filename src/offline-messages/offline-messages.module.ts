import { Inject, Logger, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { MODULE_OPTIONS } from '../options/options.module.js';
import { onStarted, whenStartFails } from './failed-start.js';
import { OfflineMessageService } from './offline-message.service.js';
import type { OpenReader } from './pending-lists.js';

/** The name of the store's connection among the data sources of an application. */
const STORE_NAME = 'holdfast';

/** What the room needs of the database, which lies beside it. */
export interface StoreDatabase {
  /** Completes what the application gave, if it gave anything. */
  options(given: DataSourceOptions | string | undefined): DataSourceOptions;
  /** Connects and brings the tables up to date; what it rejects with stops the start. */
  open(options: DataSourceOptions): Promise<DataSource>;
  /** Connects anew, after an I/O error or when `check` has thrown. */
  reopen(dataSource: DataSource): Promise<void>;
  /** Throws an Error for the operator when what is open is not what lies at the address any more. */
  check(dataSource: DataSource): void;
  /** How many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when the disk has to be emptied first. */
  roomForInserts(dataSource: DataSource): Promise<number>;
  /** Sees to room for a deletion, or for a smaller one when one has failed; rejects with SQLITE_FULL when there is none. */
  makeRoomForRemovals(dataSource: DataSource, hasFailed: boolean): Promise<void>;
  /** How to open a second connection, which only reads; null when there can be only one. */
  readerOf(dataSource: DataSource): OpenReader | null;
}

/** The store, on a connection of its own. */
@Module({})
export class OfflineMessagesModule implements OnModuleInit {
  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  onModuleInit(): void {
    onStarted(this.modules);
  }

  static over(database: StoreDatabase): DynamicModule {
    return {
      module: OfflineMessagesModule,
      imports: [
        TypeOrmModule.forRootAsync({
          name: STORE_NAME,
          inject: [MODULE_OPTIONS, ModulesContainer],
          // Without a retry, which would log a stack before the sentence that the start ends with.
          useFactory: ({ database: given }: { database?: DataSourceOptions | string }, modules: ModulesContainer) => ({
            ...database.options(given),
            modules,
            // Before version 12 the module closes what bears the name that the factory gives.
            name: STORE_NAME,
            toRetry: () => false,
          }),
          dataSourceFactory: (options) => open(database, options as StoreModuleOptions),
        }),
      ],
      providers: [
        {
          provide: OfflineMessageService,
          inject: [getDataSourceToken(STORE_NAME), CHAT_OPTIONS, ModulesContainer],
          // Opened before anybody gets it: positions go on from what an earlier run left.
          useFactory: async (dataSource: DataSource, chatOptions: ChatOptions, modules: ModulesContainer) => {
            const handled = {
              reopen: () => database.reopen(dataSource),
              check: () => database.check(dataSource),
              roomForInserts: () => database.roomForInserts(dataSource),
              makeRoomForRemovals: (hasFailed: boolean) => database.makeRoomForRemovals(dataSource, hasFailed),
            };
            const service = new OfflineMessageService(dataSource, chatOptions, handled, database.readerOf(dataSource));
            whenStartFails(modules, () => void service.close());
            await service.open();
            return service;
          },
        },
      ],
      exports: [OfflineMessageService],
    };
  }
}

type StoreModuleOptions = TypeOrmModuleOptions & { readonly modules: ModulesContainer };

/** Without what is Nest's and not TypeORM's. */
async function open(
  database: StoreDatabase,
  { toRetry: _nests, name: _name, modules, ...options }: StoreModuleOptions,
): Promise<DataSource> {
  const dataSource = await database.open(options as DataSourceOptions);
  whenStartFails(modules, () => {
    dataSource.destroy().catch((error: unknown) => new Logger('Store').error(`It can't be closed: ${String(error)}`));
  });
  return dataSource;
}
