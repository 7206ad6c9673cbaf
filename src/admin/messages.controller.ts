import { Body, HttpStatus, Inject, Post, Res } from '@nestjs/common';
import { z } from 'zod';
import { DeliveryService } from '../delivery/delivery.service.js';
import { sendAndWait } from '../delivery/send-and-wait.js';
import { toIsoTime } from '../protocol/message.js';
import { AdminController, Answers, Refuses, Takes } from './api.js';
import { Audits } from './audit.interceptor.js';
import { content, messageId, SchemaPipe, userName } from './input.js';

const messageBody = z
  .object({
    from: userName,
    to: userName.optional().describe('The recipient; left out of a broadcast.'),
    content,
    broadcast: z.boolean().optional().describe('True: to everybody who is online, and never stored.'),
    id: messageId.optional().describe('1 to 64 of A-Z a-z 0-9 _ -; given by the server unless it is here.'),
  })
  .refine(({ to, broadcast = false }) => broadcast === (to === undefined), {
    path: ['to'],
    message: 'give either a user in "to", or "broadcast": true',
  });

const receiptDto = z.object({
  id: z.string(),
  status: z.enum(['delivered', 'stored', 'broadcast']),
  sentAt: z.string(),
  recipients: z.number().optional().describe('Connections that a broadcast was written to.'),
});

/** Sends on behalf of a user, as a connection of theirs would. */
@AdminController('messages', 'messages')
export class MessagesController {
  constructor(@Inject(DeliveryService) private readonly delivery: DeliveryService) {}

  @Post()
  @Audits('from', 'to', 'id', 'broadcast')
  @Takes(messageBody)
  @Answers(201, 'The receipt.', receiptDto)
  @Answers(200, 'The first receipt of a message with this id, which had been taken before.', receiptDto)
  @Refuses(400, 413, 429, 503)
  async send(
    @Body(new SchemaPipe(messageBody)) body: z.infer<typeof messageBody>,
    @Res({ passthrough: true }) response: { status(code: number): unknown },
  ): Promise<z.infer<typeof receiptDto>> {
    const { receipt, repeated } = await sendAndWait(this.delivery, body);
    response.status(repeated ? HttpStatus.OK : HttpStatus.CREATED);
    return { ...receipt, sentAt: toIsoTime(receipt.sentAt) };
  }
}
