import { BadRequestException, Body, Header, Inject, Post, Req } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../authentication/authentication.service.js';
import type { ProvenPrincipal } from '../authentication/authenticator.js';
import { Tickets } from '../authentication/tickets.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { toIsoTime } from '../protocol/message.js';
import { callerOf, ForUsers } from './administrator.guard.js';
import { AdminController, Answers, Refuses, Takes } from './api.js';
import { Audits } from './audit.interceptor.js';
import { SchemaPipe, userName } from './input.js';

const ticketBody = z
  .object({ user: userName.optional().describe('Whom the ticket is for; an administrator has to say.') })
  .optional();

const ticketDto = z.object({
  ticket: z.string().describe('For one connection, as …?ticket=TICKET.'),
  expiresAt: z.string(),
});

/** One-time tickets for clients that can set no header. */
@AdminController('tickets', 'tickets')
export class TicketsController {
  constructor(@Inject(Tickets) private readonly tickets: Tickets) {}

  @Post()
  @Audits('user')
  @ForUsers()
  @Header('Cache-Control', 'no-store')
  @Takes(ticketBody)
  @Answers(201, 'The ticket.', ticketDto)
  @Refuses(400, 429, 503)
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
