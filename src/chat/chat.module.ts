import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import type { DataSourceOptions } from 'typeorm';
import { AdminModule } from '../admin/admin.module.js';
import type { AuthenticationOptions } from '../authentication/authentication.options.js';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { openStore, reopenStore } from '../database/store-data-source.js';
import { storeOptions } from '../database/store-options.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { AdmissionService } from '../gateway/admission.service.js';
import { ChatGateway, serverOptions } from '../gateway/chat.gateway.js';
import { OfflineMessagesModule } from '../offline-messages/offline-messages.module.js';
import type { ChatOptions } from '../options/chat.options.js';
import { OptionsModule } from '../options/options.module.js';

/** What `ChatModule.forRoot` is told beside the options of the chat: what shapes the module itself. */
export interface ChatModuleSettings {
  /** Path of the socket, and of the REST calls below it; `/chat` unless given. */
  path?: string;
  /** Where messages wait; an SQLite file under `data/` unless given. The connection is the store's alone. */
  database?: DataSourceOptions;
}

/** The chat, for the `imports` of an application. The application also installs the ChatWsAdapter. */
@Module({})
export class ChatModule {
  /** Throws a ChatOptionsError at the start when an option does not fit. */
  static forRoot({
    path = '/chat',
    database,
    authenticate,
    adminToken,
    insecure,
    ...options
  }: ChatModuleSettings & Partial<ChatOptions> & Partial<AuthenticationOptions> = {}): DynamicModule {
    const authentication = AuthenticationModule.register({ authenticate, adminToken, insecure });
    const delivery = DeliveryModule.register(
      OfflineMessagesModule.register(database ?? storeOptions(), openStore, reopenStore),
    );
    return {
      module: ChatModule,
      imports: [
        OptionsModule.register(options),
        authentication,
        delivery,
        AdminModule.register(delivery, authentication),
        RouterModule.register([{ path, module: AdminModule }]),
      ],
      providers: [AdmissionService, gatewayAt(path)],
      exports: [delivery],
    };
  }
}

/** A decorator is fixed when its class is made, so each path has a class of its own. */
function gatewayAt(path: string): Type<ChatGateway> {
  class ChatGatewayAtPath extends ChatGateway {}
  WebSocketGateway(serverOptions(path))(ChatGatewayAtPath);
  return ChatGatewayAtPath;
}
