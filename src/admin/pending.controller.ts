import { Delete, Get, Inject, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { AdminController } from './admin-controller.decorator.js';
import { AuditFields } from './audit.interceptor.js';
import { encodeCursor, messageId, userName } from './fields.js';
import {
  mailboxPage,
  mailboxQuery,
  messageQuery,
  pendingMessagePage,
  purgeDto,
  toMailboxDto,
  toPendingMessageDto,
} from './pending.dto.js';
import { SchemaPipe } from './schema.pipe.js';
import { WholeChat } from './whole-chat.js';

/** Lists and deletes what waits in the store. Who reads the messages of a user is logged. */
@AdminController('pending')
export class PendingController {
  constructor(
    @Inject(OfflineMessageService) private readonly offlineMessages: OfflineMessageService,
    @Inject(WholeChat) private readonly chat: WholeChat,
  ) {}

  @Get()
  async mailboxes(
    @Query(new SchemaPipe(mailboxQuery)) { limit, cursor, order }: z.infer<typeof mailboxQuery>,
  ): Promise<z.infer<typeof mailboxPage>> {
    const { lists } = this.offlineMessages;
    if (order === 'most') {
      const { items, total } = await lists.fullest(limit);
      return { items: items.map(toMailboxDto), total, nextCursor: null };
    }
    const items = await lists.mailboxes(limit + 1, cursor?.user);
    const page = items.slice(0, limit);
    const isLast = items.length <= limit;
    const total = cursor?.total ?? (isLast ? items.length : await lists.users());
    return {
      items: page.map(toMailboxDto),
      total,
      nextCursor: isLast ? null : encodeCursor({ user: page.at(-1)!.user, total }),
    };
  }

  @AuditFields()
  @Get(':user')
  async messages(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Query(new SchemaPipe(messageQuery)) { limit, cursor }: z.infer<typeof messageQuery>,
  ): Promise<z.infer<typeof pendingMessagePage>> {
    const { lists } = this.offlineMessages;
    const { rows, next } = await lists.page(user, cursor?.position ?? 0, limit);
    const total = cursor?.total ?? (next === null ? rows.length : await lists.count(user));
    return {
      items: rows.map(toPendingMessageDto),
      total,
      nextCursor: next === null ? null : encodeCursor({ position: next, total }),
    };
  }

  @Delete(':user')
  async purge(@Param('user', new SchemaPipe(userName)) user: string): Promise<z.infer<typeof purgeDto>> {
    return { purged: await this.chat.purge(user) };
  }

  @Delete(':user/:from/:id')
  async purgeOne(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Param('from', new SchemaPipe(userName)) from: string,
    @Param('id', new SchemaPipe(messageId)) id: string,
  ): Promise<z.infer<typeof purgeDto>> {
    return { purged: await this.chat.purge(user, { from, id }) };
  }
}
