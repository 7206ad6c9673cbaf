import { Inject, Module, Optional, type DynamicModule, type Type } from '@nestjs/common';
import { DiscoveryModule, RouterModule } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { inspect } from 'node:util';
import { AdminModule } from '../admin/admin.module.js';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { resolveDatabaseOption } from '../database/database-option.js';
import { nodeOf } from '../database/postgres-store.js';
import {
  checkStore,
  makeRoomForRemovals,
  openStore,
  readerOf,
  reopenStore,
  roomForInserts,
} from '../database/store-data-source.js';
import { ClusterModule } from '../cluster/cluster.module.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { AdapterCheck } from '../gateway/adapter-check.js';
import { ChatGateway, serverOptions } from '../gateway/chat.gateway.js';
import { AUTHORIZE, type Authorize } from '../gateway/policy.js';
import { RecordFrames } from '../gateway/record-frames.js';
import { SendContext } from '../gateway/send-context.js';
import { HandshakeModule } from '../handshake/handshake.module.js';
import { normalPath } from '../host-gateways/gateway-hooks.js';
import { OfflineMessagesModule, type StoreDatabase } from '../offline-messages/offline-messages.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { ChatOptionsError } from '../options/chat.options.js';
import { MODULE_OPTIONS, OptionsModule } from '../options/options.module.js';
import { isSocketPath } from '../options/socket-path.js';
import { OutgoingModule } from '../outgoing/outgoing.module.js';
import { RecordModule } from '../record/record.module.js';
import { ChatEventListeners } from './chat-event.listeners.js';
import type { ChatModuleAsyncOptions, ChatModuleExtras, ChatModuleOptions } from './chat-module.options.js';
import { ChatService } from './chat.service.js';
import { ListeningProviders } from './listening-providers.js';
import { RecordNews } from './record-news.js';
import { CHAT_PATH, StartLine } from './start-line.js';
import { WaitingEvents } from './waiting-events.js';

const DATABASE: StoreDatabase = {
  options: resolveDatabaseOption,
  open: openStore,
  reopen: reopenStore,
  check: checkStore,
  roomForInserts,
  makeRoomForRemovals,
  readerOf,
  nodeOf,
};

/**
 * One module for all chats of a process. Otherwise each chat would register its connection under the same name again,
 * and Nest would warn.
 */
const STORE = OfflineMessagesModule.register(DATABASE);

/** The chat. An application imports it once, installs the ChatWsAdapter, and can inject a ChatService. */
@Module({})
export class ChatModule {
  /** Throws an Error if the class was imported without `forRoot`, which is when there is no ChatService. */
  constructor(@Optional() @Inject(ChatService) chat?: ChatService) {
    if (chat) return;
    throw new Error(
      'ChatModule was imported without forRoot; import what ChatModule.forRoot() returns, or call that once with isGlobal: true.',
    );
  }

  /** Returns the module of a chat. An invalid option stops the start with a ChatOptionsError. */
  static forRoot({ path, isGlobal, ...options }: ChatModuleOptions & ChatModuleExtras = {}): DynamicModule {
    return assemble(OptionsModule.register(options), { path, isGlobal });
  }

  /**
   * Returns the module of a chat whose options come from a factory. `path` and `isGlobal` are given next to the
   * factory, because Nest needs them before it runs.
   */
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
  const delivery = ClusterModule.register(DeliveryModule.register(RecordModule.register(STORE)));
  return {
    module: ChatModule,
    global: isGlobal,
    imports: [
      options,
      delivery,
      OutgoingModule.register(delivery),
      AuthenticationModule,
      HandshakeModule,
      AdminModule.register(delivery, path),
      NodesModule,
      RouterModule.register([{ path, module: AdminModule }]),
      DiscoveryModule,
    ],
    providers: [
      AdapterCheck,
      POLICY,
      SendContext,
      RecordFrames,
      createGateway(path),
      ListeningProviders,
      ChatEventListeners,
      WaitingEvents,
      ChatService,
      RecordNews,
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
    throw new ChatOptionsError(
      'authorize',
      'is not a function',
      'give one that returns true, false or { content?, meta? }, or leave it out',
    );
  },
};

/** Returns the gateway at a path. A decorator is fixed when its class is made, so each path has a class of its own. */
function createGateway(path: string): Type<ChatGateway> {
  class ChatGatewayAtPath extends ChatGateway {}
  WebSocketGateway(serverOptions(path))(ChatGatewayAtPath);
  return ChatGatewayAtPath;
}
