import { Inject, Module, Optional, type DynamicModule, type Type } from '@nestjs/common';
import { DiscoveryModule, RouterModule } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { inspect } from 'node:util';
import { AdminModule } from '../admin/admin.module.js';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { givenDatabase } from '../database/given-database.js';
import {
  checkStore,
  makeRoomForRemovals,
  openStore,
  readerOf,
  reopenStore,
  roomForInserts,
} from '../database/store-data-source.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { AdapterCheck } from '../gateway/adapter-check.js';
import { ChatGateway, serverOptions } from '../gateway/chat.gateway.js';
import { AUTHORIZE, type Authorize } from '../gateway/policy.js';
import { HandshakeModule } from '../handshake/handshake.module.js';
import { normalPath } from '../host-gateways/gateway-hooks.js';
import { OfflineMessagesModule, type StoreDatabase } from '../offline-messages/offline-messages.module.js';
import { ChatOptionsError } from '../options/chat.options.js';
import { MODULE_OPTIONS, OptionsModule } from '../options/options.module.js';
import { isSocketPath } from '../options/socket-path.js';
import { ChatEventListeners } from './chat-event.listeners.js';
import type { ChatModuleAsyncOptions, ChatModuleExtras, ChatModuleOptions } from './chat-module.options.js';
import { ChatService } from './chat.service.js';
import { CHAT_PATH, StartLine } from './start-line.js';

const DATABASE: StoreDatabase = {
  options: givenDatabase,
  open: openStore,
  reopen: reopenStore,
  check: checkStore,
  roomForInserts,
  makeRoomForRemovals,
  readerOf,
};

/** One for all chats of a process: each that is made takes the name of its connection anew, and Nest warns of a second one. */
const STORE = OfflineMessagesModule.register(DATABASE);

/**
 * The chat, for the `imports` of an application, once. The application also installs the ChatWsAdapter, and gets a
 * ChatService to inject.
 */
@Module({})
export class ChatModule {
  /** Made by Nest. The class alone, without `forRoot`, is refused where there is no ChatService to inject. */
  constructor(@Optional() @Inject(ChatService) chat?: ChatService) {
    if (chat) return;
    throw new Error(
      'ChatModule was imported without forRoot; import what ChatModule.forRoot() returns, or call that once with isGlobal: true.',
    );
  }

  /** An option that does not fit stops the start with a ChatOptionsError. */
  static forRoot({ path, isGlobal, ...options }: ChatModuleOptions & ChatModuleExtras = {}): DynamicModule {
    return assemble(OptionsModule.register(options), { path, isGlobal });
  }

  /** The same, with the options from a factory; what shapes the module, `path` and `isGlobal`, is given beside it. */
  static forRootAsync({ path, isGlobal, ...source }: ChatModuleAsyncOptions): DynamicModule {
    if (!source.useFactory && !source.useClass && !source.useExisting) {
      throw new ChatOptionsError('useFactory', 'is not given', 'give it, useClass or useExisting');
    }
    return assemble(OptionsModule.registerAsync(source), { path, isGlobal });
  }
}

function assemble(options: DynamicModule, { path = '/chat', isGlobal = false }: ChatModuleExtras): DynamicModule {
  checkPath(path);
  if (typeof isGlobal !== 'boolean') {
    throw new ChatOptionsError('isGlobal', `is ${inspect(isGlobal)}`, 'give true or false');
  }
  const delivery = DeliveryModule.register(STORE);
  return {
    module: ChatModule,
    global: isGlobal,
    imports: [
      options,
      delivery,
      AuthenticationModule,
      HandshakeModule,
      AdminModule.register(delivery, path),
      RouterModule.register([{ path, module: AdminModule }]),
      DiscoveryModule,
    ],
    providers: [
      AdapterCheck,
      POLICY,
      createGateway(path),
      ChatEventListeners,
      ChatService,
      { provide: CHAT_PATH, useValue: path },
      StartLine,
    ],
    exports: [ChatService, delivery, HandshakeModule],
  };
}

/** With an invalid path Nest would mount the REST calls, but never the socket. */
function checkPath(path: unknown): void {
  if (typeof path === 'string' && path.startsWith('/') && isSocketPath(normalPath(path))) return;
  throw new ChatOptionsError(
    'path',
    `is ${inspect(path)}`,
    "give a path such as '/chat', without parameters or a host",
  );
}

const POLICY = {
  provide: AUTHORIZE,
  inject: [MODULE_OPTIONS],
  useFactory: ({ authorize = null }: { authorize?: Authorize | null }): Authorize | null => {
    if (authorize === null || typeof authorize === 'function') return authorize;
    throw new ChatOptionsError('authorize', 'is no function', 'give one that answers true or false, or leave it out');
  },
};

/** Returns the gateway at a path. A decorator is fixed when its class is made, so each path has a class of its own. */
function createGateway(path: string): Type<ChatGateway> {
  class ChatGatewayAtPath extends ChatGateway {}
  WebSocketGateway(serverOptions(path))(ChatGatewayAtPath);
  return ChatGatewayAtPath;
}
