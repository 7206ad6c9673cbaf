import { Module, type DynamicModule } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { GIVEN_OPTIONS } from '../options/options.module.js';
import { OfflineMessageService } from './offline-message.service.js';
import type { OpenReader } from './pending-lists.js';

/** The name of the store's connection among the data sources of an application. */
const STORE_NAME = 'holdfast';

/** What the room needs of the database, which lies beside it. */
export interface StoreDatabase {
  /** Completes what the application gave, if it gave anything. */
  options(given: DataSourceOptions | undefined): DataSourceOptions;
  /** Connects and brings the tables up to date; what it rejects with stops the start. */
  open(options: DataSourceOptions): Promise<DataSource>;
  /** Connects anew, after an I/O error. */
  reopen(dataSource: DataSource): Promise<void>;
  /** How to open a second connection, which only reads; null when there can be only one. */
  readerOf(dataSource: DataSource): OpenReader | null;
}

/** The store, on a connection of its own. */
@Module({})
export class OfflineMessagesModule {
  static over(database: StoreDatabase): DynamicModule {
    return {
      module: OfflineMessagesModule,
      imports: [
        TypeOrmModule.forRootAsync({
          name: STORE_NAME,
          inject: [GIVEN_OPTIONS],
          // Without a retry, which would log a stack before the sentence that the start ends with.
          useFactory: ({ database: given }: { database?: DataSourceOptions }) => ({
            ...database.options(given),
            // Before version 12 the module closes what bears the name that the factory gives.
            name: STORE_NAME,
            toRetry: () => false,
          }),
          dataSourceFactory: (options) => open(database, options!),
        }),
      ],
      providers: [
        {
          provide: OfflineMessageService,
          inject: [getDataSourceToken(STORE_NAME), CHAT_OPTIONS],
          // Opened before anybody gets it: positions go on from what an earlier run left.
          useFactory: async (dataSource: DataSource, chatOptions: ChatOptions) => {
            const reopen = () => database.reopen(dataSource);
            const service = new OfflineMessageService(dataSource, chatOptions, reopen, database.readerOf(dataSource));
            await service.open();
            return service;
          },
        },
      ],
      exports: [OfflineMessageService],
    };
  }
}

/** Without what is Nest's and not TypeORM's. */
function open(
  database: StoreDatabase,
  { toRetry: _nests, name: _name, ...options }: TypeOrmModuleOptions,
): Promise<DataSource> {
  return database.open(options as DataSourceOptions);
}
