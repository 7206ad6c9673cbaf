import { Inject, Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import type { ProvenPrincipal } from './authenticator.js';
import { HandshakeRefusal, unauthorized } from './refusal.js';

/** How long a ticket is good. It stands in an address, and so in logs: it must be worth nothing by the time that it is read there. */
const TICKET_MS = 30_000;
/** So many tickets that nobody has used are kept. */
const MAX_TICKETS = 10_000;

/** A ticket as its owner gets it. */
export interface Ticket {
  readonly ticket: string;
  /** Until when it is good, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * One-time tickets for clients that can't set a header, as browsers: got by REST, spent in `?ticket=`. They are kept in
 * memory, so none outlives a restart, and each is good on the server that gave it only.
 */
@Injectable()
export class Tickets {
  /** By the hash of the ticket: how long a look-up takes tells nothing of a good one. In the order of their end. */
  private readonly waiting = new Map<string, { principal: ProvenPrincipal; expiresAt: number }>();

  constructor(@Inject(CHAT_OPTIONS) private readonly options: ChatOptions) {}

  /** A ticket for one connection of this principal; refused with 401 when its time is over, and with 503 when too many wait to be used. */
  issue(principal: ProvenPrincipal): Ticket {
    const now = this.options.clock.now();
    // Within the tolerance of the clocks: it would open nothing.
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) throw unauthorized();
    for (const [hash, { expiresAt }] of this.waiting) {
      if (expiresAt > now) break;
      this.waiting.delete(hash);
    }
    if (this.waiting.size >= MAX_TICKETS) {
      throw new HandshakeRefusal(503, 'TOO_MANY_TICKETS', 'too many tickets wait to be used; ask again in 30 seconds', {
        'Retry-After': String(TICKET_MS / 1000),
      });
    }
    const ticket = randomBytes(32).toString('base64url');
    const expiresAt = now + TICKET_MS;
    this.waiting.set(hashOf(ticket), { principal, expiresAt });
    return { ticket, expiresAt };
  }

  /** Whose ticket it is. It is spent by this, also when its time is over; 401 for one that is not known, or not any more. */
  redeem(ticket: string): ProvenPrincipal {
    const hash = hashOf(ticket);
    const found = this.waiting.get(hash);
    this.waiting.delete(hash);
    if (!found || found.expiresAt <= this.options.clock.now()) throw unauthorized();
    return found.principal;
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
