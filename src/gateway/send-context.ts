import { Inject, Injectable, Logger } from '@nestjs/common';
import { Delivery } from '../delivery/delivery.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { RecordService } from '../record/record.service.js';
import { ConversationQuota } from './conversation-quota.js';
import { AUTHORIZE, Policy, type Authorize } from './policy.js';

/** What the queues of all connections share. */
@Injectable()
export class SendContext {
  readonly logger = new Logger('ChatGateway');
  /** Null if the application has none. */
  readonly policy: Policy | null;
  /** Null if anybody may begin as many conversations as they like. */
  readonly quota: ConversationQuota | null;

  constructor(
    @Inject(CHAT_OPTIONS) readonly options: ChatOptions,
    @Inject(Delivery) readonly delivery: Delivery,
    @Inject(AUTHORIZE) authorize: Authorize | null,
    @Inject(RecordService) record: RecordService,
  ) {
    this.policy = authorize && new Policy(authorize, options);
    const perDay = options.record?.conversationsPerDay ?? null;
    this.quota = perDay === null ? null : new ConversationQuota(record, perDay, options.clock);
  }
}
