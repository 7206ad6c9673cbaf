import { Delete, Get, Inject, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { AdminController, Answers, Params, Queries, Refuses } from './api.js';
import { encodeCursor, messageId, SchemaPipe, userName } from './input.js';
import {
  mailboxPage,
  mailboxQuery,
  messageQuery,
  pendingMessagePage,
  purgeDto,
  toMailboxDto,
  toPendingMessageDto,
} from './pending.dto.js';

/** A page ends with the message that brings its content to so many bytes: twice what may wait for a user by default. */
const PAGE_BYTES = 16 * 1024 * 1024;

/** What waits in the store, and how to purge it. */
@AdminController('pending', 'pending')
export class PendingController {
  constructor(@Inject(OfflineMessageService) private readonly offlineMessages: OfflineMessageService) {}

  @Get()
  @Queries(mailboxQuery)
  @Answers(200, 'The users for whom messages wait, most first.', mailboxPage)
  @Refuses(400)
  async mailboxes(
    @Query(new SchemaPipe(mailboxQuery)) { limit, cursor }: z.infer<typeof mailboxQuery>,
  ): Promise<z.infer<typeof mailboxPage>> {
    const { items, total } = await this.offlineMessages.mailboxes(limit + 1, cursor);
    const page = items.slice(0, limit);
    const last = page.at(-1);
    return {
      items: page.map(toMailboxDto),
      total,
      nextCursor: items.length > limit && last ? encodeCursor({ count: last.count, user: last.user }) : null,
    };
  }

  @Get(':user')
  @Params('user')
  @Queries(messageQuery)
  @Answers(200, 'The messages that wait for this user, in order.', pendingMessagePage)
  @Refuses(400)
  async messages(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Query(new SchemaPipe(messageQuery)) { limit, cursor = 0 }: z.infer<typeof messageQuery>,
  ): Promise<z.infer<typeof pendingMessagePage>> {
    const page = await this.offlineMessages.page(user, cursor, Number.MAX_SAFE_INTEGER, limit + 1, PAGE_BYTES);
    const rows = page.rows.slice(0, limit);
    return {
      items: rows.map(toPendingMessageDto),
      total: page.pending ?? (await this.offlineMessages.count(user)),
      nextCursor: page.isLast ? null : encodeCursor(rows.at(-1)!.position),
    };
  }

  @Delete(':user')
  @Params('user')
  @Answers(200, 'How many messages were deleted.', purgeDto)
  @Refuses(400)
  async purge(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof purgeDto>> {
    return { purged: await this.offlineMessages.purge(user) };
  }

  @Delete(':user/:from/:id')
  @Params('user', 'from', 'id')
  @Answers(200, 'How many messages were deleted: one, or none when it has left the store.', purgeDto)
  @Refuses(400)
  async purgeOne(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Param('from', new SchemaPipe(userName)) from: string,
    @Param('id', new SchemaPipe(messageId)) id: string,
  ): Promise<z.infer<typeof purgeDto>> {
    return { purged: await this.offlineMessages.purge(user, { from, id }) };
  }
}
