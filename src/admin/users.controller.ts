import { Delete, Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { ConnectionService } from '../connections/connection.service.js';
import { Delivery } from '../delivery/delivery.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController } from './admin-controller.decorator.js';
import { time, userName } from './fields.js';
import { SchemaPipe } from './schema.pipe.js';

export const userDto = z.object({
  user: z.string().meta({ example: 'bob' }),
  online: z.boolean(),
  connections: z.number().meta({ example: 1 }),
  pending: z.number().meta({ description: 'Messages that wait in the store.', example: 3 }),
  lastSeenAt: time.nullable().describe('Null if it was longer ago than `retentionMs`, or never.'),
});

export const closedDto = z.object({ closed: z.number().meta({ example: 1 }) });

/** Shows what is known of a user. Every valid name is a user: there are no accounts. */
@AdminController('users')
export class UsersController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(Delivery) private readonly delivery: Delivery,
  ) {}

  @Get(':user')
  async one(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof userDto>> {
    const connections = this.connections.ofUser(user).length;
    const lastSeenAt = await this.delivery.lastSeenOf(user);
    return {
      user,
      online: connections > 0,
      connections,
      pending: await this.delivery.pendingOf(user),
      lastSeenAt: lastSeenAt === null ? null : toIsoTime(lastSeenAt),
    };
  }

  @Delete(':user/connections')
  disconnect(@Param('user', new SchemaPipe(userName)) user: string): z.infer<typeof closedDto> {
    return { closed: this.connections.disconnect(user, 'disconnected by an administrator') };
  }
}
