import type { ConfigurableModuleAsyncOptions } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import type { AuthenticationOptions } from '../authentication/authentication.options.js';
import type { Authorize } from '../gateway/policy.js';
import type { ChatOptions } from '../options/chat.options.js';

/** What a chat can be told; what shapes the module itself is in ChatModuleExtras. */
export interface ChatModuleOptions extends Partial<ChatOptions>, Partial<AuthenticationOptions> {
  /** Where messages wait, as options or as an address (`postgres://…`). The connection is the store's alone. @default the SQLite file data/holdfast.sqlite */
  database?: DataSourceOptions | string;
  /** Says whether a connection may send this. @default everything that is valid */
  authorize?: Authorize;
}

/** What has to be known when the module is put together, also where the options come from a factory. */
export interface ChatModuleExtras {
  /** Path of the socket, and of the REST calls below it. No prefix of the application moves the socket. @default '/chat' */
  path?: string;
  /** Whether ChatService can be injected everywhere without importing the module. @default false */
  isGlobal?: boolean;
}

/** A class that makes the options, for `useClass` and `useExisting`. */
export interface ChatOptionsFactory {
  createChatOptions(): ChatModuleOptions | Promise<ChatModuleOptions>;
}

/** Where `forRootAsync` gets its options: `useFactory` with `inject`, `useClass`, or `useExisting`. */
export type ChatModuleAsyncOptions = ConfigurableModuleAsyncOptions<ChatModuleOptions, 'createChatOptions'> &
  ChatModuleExtras;
