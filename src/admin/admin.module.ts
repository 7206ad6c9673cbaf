import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { HandshakeModule } from '../handshake/handshake.module.js';
import { AdministratorGuard } from './administrator.guard.js';
import { ConnectionsController } from './connections.controller.js';
import { Erasures } from './erasures.js';
import { MessagesController } from './messages.controller.js';
import { PendingController } from './pending.controller.js';
import { RecordController } from './record.controller.js';
import { PageAccess } from './page-access.js';
import { RestEntry } from './rest-entry.js';
import { REST_PATH, RestPaths } from './rest-paths.js';
import { SocketPathController } from './socket-path.controller.js';
import { StatsController } from './stats.controller.js';
import { TicketsController } from './tickets.controller.js';
import { UsersController } from './users.controller.js';
import { WholeChat } from './whole-chat.js';

/** The REST calls of an operator, below the path of the chat [protocol 7]. */
@Module({})
export class AdminModule {
  static register(delivery: DynamicModule, path: string): DynamicModule {
    return {
      module: AdminModule,
      imports: [delivery, AuthenticationModule, HandshakeModule],
      controllers: [
        ConnectionsController,
        UsersController,
        PendingController,
        MessagesController,
        RecordController,
        StatsController,
        TicketsController,
        SocketPathController,
      ],
      providers: [
        AdministratorGuard,
        PageAccess,
        RestEntry,
        RestPaths,
        WholeChat,
        Erasures,
        { provide: REST_PATH, useValue: path },
      ],
      exports: [WholeChat, Erasures],
    };
  }
}
