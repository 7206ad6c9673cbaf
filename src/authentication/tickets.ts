import { Inject, Injectable, Logger } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { Nodes, type Call } from '../nodes/nodes.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ChatError } from '../protocol/chat-error.js';
import { RareLog } from '../options/rare-log.js';
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

/** Whether a ticket is gone after it was shown. */
export type TicketUse = 'used' | 'kept';

/** A ticket of a node of a cluster: the id of the node, and 32 random bytes. */
const OF_NODE = /^(\d{1,15})\.[\w-]{43}$/;

/** For the developer of the application. */
const NOT_JSON =
  'authenticate returned what JSON cannot say (a BigInt or a cycle), so no ticket was issued, with 503: the node to which a client comes with it asks this one, in JSON; return something else in its place.';

const REDEEM: Call<readonly [ticket: string, use: TicketUse], ProvenPrincipal | null> = { name: 'ticket' };

/**
 * One-time tickets for clients that cannot set a header, such as browsers. A ticket is issued by REST and used in
 * `?ticket=`. Tickets are in memory: they are lost with a restart. Other nodes of a cluster ask the one that issued it.
 */
@Injectable()
export class Tickets {
  /** By the hash of the ticket, so that the time of a look-up reveals nothing. The first to expire comes first. */
  private readonly waiting = new Map<string, { principal: ProvenPrincipal; expiresAt: number }>();
  /** When the tickets of each user expire, the next one first. */
  private readonly endsByUser = new Map<string, number[]>();
  private readonly rareLog: RareLog;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(Nodes) private readonly nodes: Nodes,
  ) {
    this.rareLog = new RareLog(new Logger('Authentication'), options.clock);
    nodes.handle(REDEEM, ([ticket, use]) => this.here(ticket, use));
  }

  /**
   * Issues a ticket for one connection of this principal. Refused with 401 if the principal's credentials have expired,
   * with 429 if the user has too many unused tickets, with 503 if all users together have, and in a cluster also if
   * other nodes can't be told of the principal.
   */
  issue(principal: ProvenPrincipal): Ticket {
    const now = this.options.clock.now();
    // An expired token still passes within the tolerance of the clocks. The ticket would be useless.
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) throw refusals.unauthorized();
    if (this.nodes.cluster && !isJson(principal)) {
      this.rareLog.error('principal', NOT_JSON);
      throw refusals.authenticationUnavailable();
    }
    for (const [hash, { expiresAt }] of this.waiting) {
      if (expiresAt > now) break;
      this.takeOut(hash);
    }
    const ends = this.endsByUser.get(principal.user) ?? [];
    if (ends.length >= MAX_TICKETS_PER_USER) throw refusals.tooManyTickets('user', ends[0]! - now);
    if (this.waiting.size >= MAX_TICKETS) throw refusals.tooManyTickets('all', TICKET_MS);
    const secret = randomBytes(32).toString('base64url');
    const ticket = this.nodes.cluster ? `${this.nodes.cluster.self}.${secret}` : secret;
    const expiresAt = now + TICKET_MS;
    this.waiting.set(hashOf(ticket), { principal, expiresAt });
    this.endsByUser.set(principal.user, [...ends, expiresAt]);
    return { ticket, expiresAt };
  }

  /**
   * Returns whose ticket this is; when it is `used` it is gone, even if it has expired. Refused with 401 if it is unknown
   * or has expired, or if the node that issued it does not answer.
   */
  async redeem(ticket: string, use: TicketUse): Promise<ProvenPrincipal> {
    const principal = this.here(ticket, use) ?? (await this.elsewhere(ticket, use));
    if (!principal) throw refusals.unauthorized();
    return principal;
  }

  private here(ticket: string, use: TicketUse): ProvenPrincipal | null {
    const hash = hashOf(ticket);
    const found = use === 'used' ? this.takeOut(hash) : this.waiting.get(hash);
    return found && found.expiresAt > this.options.clock.now() ? found.principal : null;
  }

  private async elsewhere(ticket: string, use: TicketUse): Promise<ProvenPrincipal | null> {
    const node = Number(OF_NODE.exec(ticket)?.[1]);
    if (!this.nodes.cluster || Number.isNaN(node) || node === this.nodes.cluster.self) return null;
    try {
      return await this.nodes.at(node, REDEEM, [ticket, use]);
    } catch (error) {
      // The node is gone, and its tickets with it; or it does not answer, and the client gets a new one.
      if (error instanceof ChatError) return null;
      throw error;
    }
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

function isJson(principal: ProvenPrincipal): boolean {
  try {
    JSON.stringify(principal);
    return true;
  } catch {
    return false; // It has a cycle or a BigInt in it.
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
