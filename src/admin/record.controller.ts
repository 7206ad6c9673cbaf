import { Get, Inject, Param, Query } from '@nestjs/common';
import type { z } from 'zod';
import { RecordService } from '../record/record.service.js';
import { conversationsOf, historyOf, syncOf, toWireRecorded } from '../record/record-wire.js';
import { AdminController } from './admin-controller.decorator.js';
import { AuditFields } from './audit.interceptor.js';
import { peerName, userName } from './fields.js';
import {
  conversationQuery,
  historyQuery,
  syncQuery,
  type conversationPage,
  type historyPage,
  type syncPage,
} from './record.dto.js';
import { SchemaPipe } from './schema.pipe.js';

/** Reads the record of users. Who reads it is logged. */
@AdminController('')
export class RecordController {
  constructor(@Inject(RecordService) private readonly record: RecordService) {}

  @AuditFields()
  @Get('history/:user/:with')
  async history(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Param('with', new SchemaPipe(peerName)) peer: string,
    @Query(new SchemaPipe(historyQuery)) query: z.infer<typeof historyQuery>,
  ): Promise<z.infer<typeof historyPage>> {
    return historyOf(await this.record.history(user, { with: peer, ...query }), toWireRecorded);
  }

  @AuditFields()
  @Get('conversations/:user')
  async conversations(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Query(new SchemaPipe(conversationQuery)) query: z.infer<typeof conversationQuery>,
  ): Promise<z.infer<typeof conversationPage>> {
    return conversationsOf(await this.record.conversations(user, query), toWireRecorded);
  }

  @AuditFields()
  @Get('sync/:user')
  async sync(
    @Param('user', new SchemaPipe(userName)) user: string,
    @Query(new SchemaPipe(syncQuery)) query: z.infer<typeof syncQuery>,
  ): Promise<z.infer<typeof syncPage>> {
    return syncOf(await this.record.sync(user, query), toWireRecorded);
  }
}
