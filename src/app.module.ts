import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ErrorFilter } from './admin/error.filter.js';
import { ChatModule } from './chat/chat.module.js';
import type { Settings } from './config/environment.js';
import { storeOptions } from './database/store-options.js';
import { ObservabilityModule } from './observability/observability.module.js';

/** The standalone server: the chat with the settings of the environment, and its observability. */
@Module({})
export class AppModule {
  static forRoot({ path, databaseUrl, cluster, chat, authentication }: Settings): DynamicModule {
    const database = storeOptions(databaseUrl);
    const node = cluster && { cluster: cluster.redis === null ? true : { bus: { redis: cluster.redis } } };
    const chatModule = ChatModule.forRoot({ ...chat, ...authentication, path, database, ...node });
    return {
      module: AppModule,
      imports: [chatModule, ObservabilityModule.register(chatModule)],
      providers: [{ provide: APP_FILTER, useClass: ErrorFilter }],
    };
  }
}
