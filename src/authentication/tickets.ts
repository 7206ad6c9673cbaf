import { Inject, Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { refusals } from '../protocol/handshake-refusal.js';
import type { ProvenPrincipal } from './authenticator.js';

/**
 * How long a ticket is valid, in milliseconds. A ticket is part of an address, which is logged: it should have expired
 * by the time anybody reads the log.
 */
const TICKET_MS = 30_000;
/** How many unused tickets are kept. */
const MAX_TICKETS = 10_000;
/** How many unused tickets of one user are kept, so that one user cannot lock the others out. */
const MAX_TICKETS_PER_USER = 10;

/** A ticket as its owner gets it. */
export interface Ticket {
  readonly ticket: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * One-time tickets for clients that cannot set a header, such as browsers. A ticket is issued by REST and used in
 * `?ticket=`. Tickets are in memory: they are lost with a restart, and are valid only on the server that issued them.
 */
@Injectable()
export class Tickets {
  /** By the hash of the ticket, so that the time of a look-up reveals nothing. The first to expire comes first. */
  private readonly waiting = new Map<string, { principal: ProvenPrincipal; expiresAt: number }>();
  /** When the tickets of each user expire, the next one first. */
  private readonly endsByUser = new Map<string, number[]>();

  constructor(@Inject(CHAT_OPTIONS) private readonly options: ChatOptions) {}

  /**
   * Issues a ticket for one connection of this principal. Refused with 401 if the principal's credentials have expired,
   * with 429 if the user has too many unused tickets, and with 503 if all users together have.
   */
  issue(principal: ProvenPrincipal): Ticket {
    const now = this.options.clock.now();
    // An expired token still passes within the tolerance of the clocks. The ticket would be useless.
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) throw refusals.unauthorized();
    for (const [hash, { expiresAt }] of this.waiting) {
      if (expiresAt > now) break;
      this.takeOut(hash);
    }
    const ends = this.endsByUser.get(principal.user) ?? [];
    if (ends.length >= MAX_TICKETS_PER_USER) throw refusals.tooManyTickets('user', ends[0]! - now);
    if (this.waiting.size >= MAX_TICKETS) throw refusals.tooManyTickets('all', TICKET_MS);
    const ticket = randomBytes(32).toString('base64url');
    const expiresAt = now + TICKET_MS;
    this.waiting.set(hashOf(ticket), { principal, expiresAt });
    this.endsByUser.set(principal.user, [...ends, expiresAt]);
    return { ticket, expiresAt };
  }

  /**
   * Returns whose ticket this is, and removes it, even if it has expired. Refused with 401 if it is unknown or has
   * expired.
   */
  redeem(ticket: string): ProvenPrincipal {
    const found = this.takeOut(hashOf(ticket));
    if (!found || found.expiresAt <= this.options.clock.now()) throw refusals.unauthorized();
    return found.principal;
  }

  /** Returns whose ticket this is, which stays as it was. Refused with 401 if it is unknown or has expired. */
  find(ticket: string): ProvenPrincipal {
    const found = this.waiting.get(hashOf(ticket));
    if (!found || found.expiresAt <= this.options.clock.now()) throw refusals.unauthorized();
    return found.principal;
  }

  private takeOut(hash: string) {
    const found = this.waiting.get(hash);
    if (!found) return undefined;
    this.waiting.delete(hash);
    const { user } = found.principal;
    const ends = this.endsByUser.get(user)!;
    ends.splice(ends.indexOf(found.expiresAt), 1);
    if (ends.length === 0) this.endsByUser.delete(user);
    return found;
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
