import { Body, HttpStatus, Inject, Post, Res } from '@nestjs/common';
import { z } from 'zod';
import { Delivery } from '../delivery/delivery.js';
import { sendAndWait } from '../delivery/send-and-wait.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController } from './admin-controller.decorator.js';
import { AuditFields } from './audit.interceptor.js';
import { checkBroadcast, checkSend } from '../protocol/send-request.js';
import { content, messageId, meta, time, topic, ttl, urgency, userName } from './fields.js';
import { positionText } from './record.dto.js';
import { SchemaPipe } from './schema.pipe.js';

export const messageBody = z
  .object({
    from: userName.meta({ description: 'The sender.', example: 'shop' }),
    to: userName.optional().meta({ description: 'The recipient; left out of a broadcast.', example: 'bob' }),
    content,
    broadcast: z
      .boolean()
      .optional()
      .meta({ description: 'True: to everybody who is connected, and never stored.', example: false }),
    id: messageId
      .optional()
      .meta({ description: '1 to 64 of A-Z a-z 0-9 _ -; made by the server if left out.', example: 'order-4711' }),
    meta: meta.optional(),
    ttl: ttl.optional(),
    topic: topic.optional(),
    urgency: urgency.optional(),
  })
  .refine(({ to, broadcast = false }) => broadcast === (to === undefined), {
    path: ['to'],
    message: 'give either a user in "to", or "broadcast": true',
  });

export const receiptDto = z.object({
  id: messageId,
  status: z
    .enum(['delivered', 'stored', 'broadcast', 'absent'])
    .describe('`absent`: it had a `ttl` of 0, and nobody was there who confirmed it.'),
  sentAt: time,
  recipients: z.number().optional().describe('Only of a broadcast: the connections that it was written to.'),
  position: positionText.optional().describe('Only of a recorded message: its place in the conversation.'),
});

/** Sends on behalf of a user, as a connection of that user would. */
@AdminController('messages')
export class MessagesController {
  constructor(@Inject(Delivery) private readonly delivery: Delivery) {}

  @Post()
  @AuditFields('from', 'to', 'id', 'broadcast')
  async send(
    @Body(new SchemaPipe(messageBody)) body: z.infer<typeof messageBody>,
    @Res({ passthrough: true }) response: { status(code: number): unknown },
  ): Promise<z.infer<typeof receiptDto>> {
    const request = body.to === undefined ? checkBroadcast(body, body.from) : checkSend(body, body.from);
    const { receipt, repeated } = await sendAndWait(this.delivery, request);
    response.status(repeated ? HttpStatus.OK : HttpStatus.CREATED);
    return { ...receipt, sentAt: toIsoTime(receipt.sentAt) };
  }
}
