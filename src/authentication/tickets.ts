import { Inject, Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { refusals } from '../protocol/handshake-refusal.js';
import type { ProvenPrincipal } from './authenticator.js';

/** How long a ticket is good. It stands in an address, and so in logs: it must be worth nothing by the time that it is read there. */
const TICKET_MS = 30_000;
/** So many tickets that nobody has used are kept. */
const MAX_TICKETS = 10_000;
/** And so many of one user, or one could keep all the others out. */
const MAX_TICKETS_PER_USER = 10;

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
  /** When the tickets of each user end that are among them, the next one first. */
  private readonly endsByUser = new Map<string, number[]>();

  constructor(@Inject(CHAT_OPTIONS) private readonly options: ChatOptions) {}

  /**
   * A ticket for one connection of this principal; refused with 401 when its time is over, with 429 when too many of its user
   * wait to be used, and with 503 when too many of all do.
   */
  issue(principal: ProvenPrincipal): Ticket {
    const now = this.options.clock.now();
    // Within the tolerance of the clocks: it would open nothing.
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

  /** Whose ticket it is. It is spent by this, also when its time is over; 401 for one that is not known, or not any more. */
  redeem(ticket: string): ProvenPrincipal {
    const found = this.takeOut(hashOf(ticket));
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
