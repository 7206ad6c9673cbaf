import { Delete, Get, HttpStatus, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { Delivery } from '../delivery/delivery.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController } from './admin-controller.decorator.js';
import { AuditFields } from './audit.interceptor.js';
import { Erasures } from './erasures.js';
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

export const eraseQuery = z.object({
  authored: z
    .enum(['blank', 'keep'])
    .describe('Whether what the user has written is emptied, or stays for those whom it was written to.'),
});

export const erasedDto = z.object({
  done: z.boolean().describe('False with 202: it goes on by itself.'),
  purged: z.number().meta({ description: 'Messages from and to the user that waited.', example: 3 }),
  recorded: z.number().meta({ description: 'Messages of the record that were changed or deleted.', example: 120 }),
});

/** The method of a response that Express and Fastify share. */
interface FrameworkResponse {
  status(code: number): unknown;
}

/** Shows what is known of a user. Every valid name is a user: there are no accounts. */
@AdminController('users')
export class UsersController {
  constructor(
    @Inject(WholeChat) private readonly chat: WholeChat,
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(Erasures) private readonly erasures: Erasures,
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

  /** The first line is read before the reply begins, so that a store that can't be read is a refusal. */
  @AuditFields()
  @Get(':user/export')
  async export(@Param('user', new SchemaPipe(userName)) user: string): Promise<StreamableFile> {
    const lines = this.chat.export(user);
    const first = await lines.next();
    const all = async function* () {
      if (!first.done) yield first.value;
      yield* lines;
    };
    return new StreamableFile(Readable.from(all(), { objectMode: false }), { type: 'application/x-ndjson' });
  }

  @Delete(':user')
  async erase(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Query(new SchemaPipe(eraseQuery)) { authored }: z.infer<typeof eraseQuery>,
    @Res({ passthrough: true }) response: FrameworkResponse,
  ): Promise<z.infer<typeof erasedDto>> {
    const result = await this.erasures.erase(user, authored);
    if (!result.done) response.status(HttpStatus.ACCEPTED);
    return result;
  }

  @Delete(':user/connections')
  async disconnect(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof closedDto>> {
    return { closed: await this.chat.disconnect(user, 'disconnected by an administrator') };
  }
}
