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
  /** `open` connects and brings the tables up to date; what it rejects with stops the start. */
  static register(
    options: DataSourceOptions,
    open: (options: DataSourceOptions) => Promise<DataSource>,
  ): DynamicModule {
    return {
      module: OfflineMessagesModule,
      imports: [
        TypeOrmModule.forRootAsync({
          name: STORE_NAME,
          useFactory: () => ({ ...options, name: STORE_NAME, retryAttempts: 0 }),
          dataSourceFactory: () => open(options),
        }),
      ],
      providers: [
        {
          provide: OfflineMessageService,
          inject: [getDataSourceToken(STORE_NAME), CHAT_OPTIONS],
          // Opened before anybody gets it: positions go on from what an earlier run left.
          useFactory: async (dataSource: DataSource, chatOptions: ChatOptions) => {
            const service = new OfflineMessageService(dataSource, chatOptions);
            await service.open();
            return service;
          },
        },
      ],
      exports: [OfflineMessageService],
    };
  }
}
