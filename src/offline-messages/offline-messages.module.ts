import { Module, type DynamicModule } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { OfflineMessageService } from './offline-message.service.js';

/** The name of the store's connection among the data sources of an application. */
const STORE_NAME = 'holdfast';

/** The store, on a connection of its own. */
@Module({})
export class OfflineMessagesModule {
  /** `open` connects and brings the tables up to date; what it rejects with stops the start. `reopen` connects anew, after an I/O error. */
  static register(
    options: DataSourceOptions,
    open: (options: DataSourceOptions) => Promise<DataSource>,
    reopen: (dataSource: DataSource) => Promise<void>,
  ): DynamicModule {
    return {
      module: OfflineMessagesModule,
      imports: [
        TypeOrmModule.forRootAsync({
          name: STORE_NAME,
          // Without a retry, which would log a stack before the sentence that the start ends with.
          useFactory: () => ({ ...options, name: STORE_NAME, toRetry: () => false }),
          dataSourceFactory: () => open(options),
        }),
      ],
      providers: [
        {
          provide: OfflineMessageService,
          inject: [getDataSourceToken(STORE_NAME), CHAT_OPTIONS],
          // Opened before anybody gets it: positions go on from what an earlier run left.
          useFactory: async (dataSource: DataSource, chatOptions: ChatOptions) => {
            const service = new OfflineMessageService(dataSource, chatOptions, () => reopen(dataSource));
            await service.open();
            return service;
          },
        },
      ],
      exports: [OfflineMessageService],
    };
  }
}
