import { Inject, Injectable } from '@nestjs/common';
import { Delivery } from '../delivery/delivery.js';
import type { Message } from '../protocol/message.js';
import type { MovedMark } from '../protocol/news.js';
import { RecordService } from '../record/record.service.js';

/**
 * Tells the connections of users what has changed in their record: the sender's other ones what was said, both sides
 * that a mark has moved. It comes after the commit, so nobody sees it go back. It is a hint: `sync` and `conversations`
 * bring what somebody has missed.
 */
@Injectable()
export class RecordNews {
  constructor(
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(RecordService) record: RecordService,
  ) {
    delivery.ledger.recorded.on((message) => this.echo(message));
    record.moved.on((mark) => this.tell(mark));
  }

  private echo(message: Message): void {
    if (this.delivery.hears(message.from)) this.delivery.tell(message.from, { echo: message });
  }

  private tell(mark: MovedMark): void {
    for (const user of new Set([mark.user, mark.with])) {
      if (this.delivery.hears(user)) this.delivery.tell(user, { mark });
    }
  }
}
