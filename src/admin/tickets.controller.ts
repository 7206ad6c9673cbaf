import { BadRequestException, Body, Header, Inject, Post, Req } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../authentication/authentication.service.js';
import type { ProvenPrincipal } from '../authentication/authenticator.js';
import { Tickets } from '../authentication/tickets.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { toIsoTime } from '../protocol/message.js';
import { callerOf, AllowUsers } from './administrator.guard.js';
import { AdminController } from './admin-controller.decorator.js';
import { AuditFields } from './audit.interceptor.js';
import { time, userName } from './fields.js';
import { SchemaPipe } from './schema.pipe.js';

export const ticketBody = z
  .object({
    user: userName.optional().meta({ description: 'Whose ticket it is; an administrator has to say.', example: 'bob' }),
  })
  .optional();

export const ticketDto = z.object({
  ticket: z.string().meta({ description: 'For one connection, as …?ticket=TICKET.', example: 'dGlja2V0' }),
  expiresAt: time,
});

/** One-time tickets for clients that cannot set a header. */
@AdminController('tickets')
export class TicketsController {
  constructor(@Inject(Tickets) private readonly tickets: Tickets) {}

  @Post()
  @AuditFields('user')
  @AllowUsers()
  @Header('Cache-Control', 'no-store')
  issue(
    @Body(new SchemaPipe(ticketBody)) body: z.infer<typeof ticketBody>,
    @Req() request: IncomingMessage,
  ): z.infer<typeof ticketDto> {
    const { ticket, expiresAt } = this.tickets.issue(ownerOf(callerOf(request), body?.user));
    return { ticket, expiresAt: toIsoTime(expiresAt) };
  }
}

function ownerOf({ isAdmin, principal }: Caller, user: string | undefined): ProvenPrincipal {
  if (principal && (user === undefined || user === principal.user)) return principal;
  if (!isAdmin) throw refusals.ticketOfOther();
  if (user !== undefined) return { user };
  throw new BadRequestException({
    statusCode: 400,
    code: 'BAD_REQUEST',
    message: 'user: name the user whom the ticket is for',
  });
}
