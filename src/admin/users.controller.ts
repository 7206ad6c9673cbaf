import { Delete, Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { Delivery } from '../delivery/delivery.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController } from './admin-controller.decorator.js';
import { time, userName } from './fields.js';
import { SchemaPipe } from './schema.pipe.js';
import { WholeChat } from './whole-chat.js';

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
    @Inject(WholeChat) private readonly chat: WholeChat,
    @Inject(Delivery) private readonly delivery: Delivery,
  ) {}

  @Get(':user')
  async one(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof userDto>> {
    const { connections, lastSeenAt } = await this.chat.seenOf(user);
    return {
      user,
      online: connections > 0,
      connections,
      pending: await this.delivery.pendingOf(user),
      lastSeenAt: lastSeenAt === null ? null : toIsoTime(lastSeenAt),
    };
  }

  @Delete(':user/connections')
  async disconnect(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof closedDto>> {
    return { closed: await this.chat.disconnect(user, 'disconnected by an administrator') };
  }
}
