import { Delete, Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController, Answers, Params, Refuses } from './api.js';
import { SchemaPipe, userName } from './input.js';

const userDto = z.object({
  user: z.string(),
  online: z.boolean(),
  connections: z.number(),
  pending: z.number().describe('Messages that wait in the store.'),
  lastSeenAt: z.string().nullable().describe('Null when it is not known, as after a restart.'),
});

const closedDto = z.object({ closed: z.number() });

/** What is known of one user. Any valid name is answered: users have no accounts here. */
@AdminController('users', 'users')
export class UsersController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
  ) {}

  @Get(':user')
  @Params('user')
  @Answers(200, 'The user, known or not.', userDto)
  @Refuses(400)
  async one(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof userDto>> {
    const connections = this.connections.ofUser(user).length;
    const lastSeenAt = this.connections.lastSeenAt(user);
    return {
      user,
      online: connections > 0,
      connections,
      pending: await this.delivery.pendingOf(user),
      lastSeenAt: lastSeenAt === null ? null : toIsoTime(lastSeenAt),
    };
  }

  @Delete(':user/connections')
  @Params('user')
  @Answers(200, 'How many connections were closed, with 4403.', closedDto)
  @Refuses(400)
  disconnect(@Param('user', new SchemaPipe(userName)) user: string): z.infer<typeof closedDto> {
    return { closed: this.connections.disconnect(user, 'disconnected by an administrator') };
  }
}
