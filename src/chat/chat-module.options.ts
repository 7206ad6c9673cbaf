import type { ConfigurableModuleAsyncOptions } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import type { AuthenticationOptions } from '../authentication/authentication.options.js';
import type { ClusterOptions } from '../cluster/cluster.options.js';
import type { Authorize } from '../gateway/policy.js';
import type { GivenChatOptions } from '../options/chat.options.js';
import type { OutgoingOptions } from '../outgoing/outgoing.options.js';

/** The options of a chat; `path` and `isGlobal` are in ChatModuleExtras. */
export interface ChatModuleOptions extends GivenChatOptions, Partial<AuthenticationOptions> {
  /**
   * The database of the store, as TypeORM options or as an address (`postgres://…`). The store needs a connection of
   * its own.
   * @default the SQLite file data/holdfast.sqlite
   */
  database?: DataSourceOptions | string;
  /**
   * Decides whether a connection may send a message, and may change its content and meta.
   * @default everything that is valid
   */
  authorize?: Authorize;
  /**
   * Where the transactions of the application are, so that a message can be a part of one
   * (`ChatService.sendInTransaction`). The database needs the table of `outgoingMigrations`.
   * @default none: nothing can be sent in a transaction
   */
  outgoing?: OutgoingOptions;
  /**
   * Makes this process a node of a cluster: all processes with this option on one database are one chat. The database
   * has to be Postgres. `{ bus: { redis: 'redis://…' } }` has the nodes speak over Redis instead of Postgres.
   * @default false: this process is the only server of its database
   */
  cluster?: boolean | ClusterOptions;
}

/** What Nest needs to know before a factory of the options runs. */
export interface ChatModuleExtras {
  /**
   * Path of the socket, and of the REST calls below it. A global prefix of the application does not move the socket.
   * @default '/chat'
   */
  path?: string;
  /**
   * Whether ChatService can be injected everywhere without importing the module.
   * @default false
   */
  isGlobal?: boolean;
}

/** A class that makes the options, for `useClass` and `useExisting`. */
export interface ChatOptionsFactory {
  createChatOptions(): ChatModuleOptions | Promise<ChatModuleOptions>;
}

/** Where `forRootAsync` gets its options: `useFactory` with `inject`, `useClass`, or `useExisting`. */
export type ChatModuleAsyncOptions = ConfigurableModuleAsyncOptions<ChatModuleOptions, 'createChatOptions'> &
  ChatModuleExtras;
