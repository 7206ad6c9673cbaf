import { Inject, Logger, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { MAILBOX_STORE } from '../delivery/mailbox-store.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { MODULE_OPTIONS } from '../options/options.module.js';
import { hasStartFailed, startSucceeded, whenStartFails } from './failed-start.js';
import type { NodeIdentity } from './node-ownership.js';
import { OfflineMessageService } from './offline-message.service.js';
import type { OpenReader } from './pending-lists.js';

/** The name of the store's data source within an application. */
const STORE_NAME = 'holdfast';

/** The token of the options of the open data source: a node opens other sessions with them. */
export const STORE_OPTIONS = Symbol('StoreOptions');

/** The database, as this room uses it. `src/database` implements it. */
export interface StoreDatabase {
  /** Returns the complete options for what the application gave, which may be nothing. */
  options(given: DataSourceOptions | string | undefined): DataSourceOptions;
  /** Connects, as one server or as a node, and runs the migrations; a rejection stops the start. */
  open(options: DataSourceOptions, node: NodeIdentity | null): Promise<DataSource>;
  /** Returns the node that an open store belongs to; null for one server. */
  nodeOf(dataSource: DataSource): NodeIdentity | null;
  /** Connects again, after an I/O error or when `check` has thrown. */
  reopen(dataSource: DataSource): Promise<void>;
  /** Throws an error for the operator when the open database is not the one at the address any more. */
  check(dataSource: DataSource): void;
  /**
   * Returns how many bytes of messages may be inserted in one commit, Infinity where nothing limits them; rejects with
   * SQLITE_FULL when only deletes may go on.
   */
  roomForInserts(dataSource: DataSource): Promise<number>;
  /**
   * Makes room for a delete, or for a smaller one when one has failed; returns how many bytes it may overwrite, Infinity
   * where nothing limits them. Rejects with SQLITE_FULL when there is no room.
   */
  makeRoomForRemovals(dataSource: DataSource, hasFailed: boolean): Promise<number>;
  /** Returns the function that opens a second connection, which only reads; null when there can be only one. */
  readerOf(dataSource: DataSource): OpenReader | null;
}

/** The store, on a connection of its own. */
@Module({})
export class OfflineMessagesModule implements OnModuleInit {
  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  onModuleInit(): void {
    startSucceeded(this.modules);
  }

  static register(database: StoreDatabase): DynamicModule {
    return {
      module: OfflineMessagesModule,
      imports: [
        TypeOrmModule.forRootAsync({
          name: STORE_NAME,
          inject: [MODULE_OPTIONS, ModulesContainer],
          // No retry: it would log a stack before the sentence with which the start fails.
          useFactory: ({ database: given, cluster }: GivenOptions, modules: ModulesContainer) => ({
            ...database.options(given),
            modules,
            isNode: Boolean(cluster),
            // Before version 12 the module closes the data source with the name that the factory returns.
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
          // Opened before it is injected: positions go on from what an earlier run left.
          useFactory: async (dataSource: DataSource, chatOptions: ChatOptions, modules: ModulesContainer) => {
            const handled = {
              reopen: () => database.reopen(dataSource),
              check: () => database.check(dataSource),
              roomForInserts: () => database.roomForInserts(dataSource),
              makeRoomForRemovals: (hasFailed: boolean) => database.makeRoomForRemovals(dataSource, hasFailed),
            };
            const node = database.nodeOf(dataSource);
            const reader = database.readerOf(dataSource);
            const service = new OfflineMessageService(dataSource, chatOptions, handled, reader, node);
            whenStartFails(modules, () => void service.close());
            await service.open();
            return service;
          },
        },
        { provide: MAILBOX_STORE, useExisting: OfflineMessageService },
        {
          provide: STORE_OPTIONS,
          inject: [getDataSourceToken(STORE_NAME)],
          useFactory: ({ options }: DataSource) => options,
        },
      ],
      exports: [OfflineMessageService, MAILBOX_STORE, STORE_OPTIONS],
    };
  }
}

/** The part of the module's options that decides about the store. */
interface GivenOptions {
  readonly database?: DataSourceOptions | string;
  /** Where something is given, the store is that of a node. */
  readonly cluster?: unknown;
}

type StoreModuleOptions = TypeOrmModuleOptions & { readonly modules: ModulesContainer; readonly isNode: boolean };

/** Opens the store without the options that are Nest's and not TypeORM's. */
async function open(
  database: StoreDatabase,
  { toRetry: _nests, name: _name, modules, isNode, ...options }: StoreModuleOptions,
): Promise<DataSource> {
  // Nest goes on with the other parts when one fails: whoever started the application has its error by then, and may
  // use or delete the file.
  if (await hasStartFailed(modules)) throw new Error('The store is not opened: the application could not be made.');
  const dataSource = await database.open(options as DataSourceOptions, isNode ? { id: null } : null);
  whenStartFails(modules, () => {
    dataSource.destroy().catch((error: unknown) => new Logger('Store').error(`It can't be closed: ${String(error)}`));
  });
  return dataSource;
}
