import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { within } from '../options/clock.js';
import { RareLog } from '../options/rare-log.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { principalOf, refusalOf } from './authenticator-result.js';
import { AUTHENTICATION_OPTIONS, type AuthenticationOptions } from './authentication.options.js';
import type { ProvenPrincipal } from './authenticator.js';
import { bearerOf, queryOf, requestWith, userNamedBy } from './credentials.js';
import { asksForOwnMachine, cameByLoopback } from './own-machine.js';
import { ReportedRefusal } from './reported-refusal.js';
import { Tickets, type TicketUse } from './tickets.js';
import { trusted } from './trusted.authenticator.js';

/** Who makes a REST call. */
export interface Caller {
  readonly isAdmin: boolean;
  /** Null for the administrator's token, and where every caller is an administrator. */
  readonly principal: ProvenPrincipal | null;
  /** For the log. */
  readonly title: string;
}

/**
 * Identifies who makes a handshake or a REST call. It keeps no sessions: an open connection stays open until its
 * credentials expire or an administrator closes it, even if the user is deleted elsewhere.
 */
@Injectable()
export class AuthenticationService implements OnApplicationBootstrap {
  private readonly logger = new Logger('Authentication');
  private readonly complaints: RareLog;

  constructor(
    @Inject(AUTHENTICATION_OPTIONS) private readonly options: AuthenticationOptions,
    @Inject(CHAT_OPTIONS) private readonly chat: ChatOptions,
    @Inject(Tickets) private readonly tickets: Tickets,
  ) {
    this.complaints = new RareLog(this.logger, chat.clock);
  }

  onApplicationBootstrap(): void {
    if (!this.options.insecure || !this.provesNothing) return;
    this.logger.warn('INSECURE: whoever reaches this server can be any user; authenticate by JWT instead.');
    if (this.options.adminToken !== null) return;
    this.logger.warn('INSECURE: whoever reaches this server is its administrator; set an administrator token.');
  }

  /**
   * Returns who opens a connection; throws a HandshakeRefusal. A ticket of the request is `used`, or `kept` for a later
   * handshake.
   */
  async authenticate(request: IncomingMessage, ticketIs: TicketUse = 'used'): Promise<ProvenPrincipal> {
    const query = queryOf(request);
    const ticket = query.get('ticket');
    const principal = await (ticket === null ? this.ask(request) : this.tickets.redeem(ticket, ticketIs));
    const named = userNamedBy(query);
    if (named !== null && named !== principal.user) {
      throw refusals.otherUser();
    }
    return this.unexpired(principal);
  }

  /**
   * Returns who brings this bearer token over a connection that is open; throws a HandshakeRefusal. The authenticator
   * gets a request with nothing but the token.
   */
  async verify(token: string, socket: Socket): Promise<ProvenPrincipal> {
    const request = requestWith(token, socket);
    // A name that is believed has no token. What cannot stand in a header was not issued for one.
    if (this.provesNothing || bearerOf(request) !== token) throw refusals.unauthorized();
    return this.unexpired(await this.ask(request));
  }

  /** Returns who makes a REST call; throws a HandshakeRefusal if the caller cannot be identified. */
  async identify(request: IncomingMessage): Promise<Caller> {
    const { adminToken } = this.options;
    if (adminToken === null && this.provesNothing) {
      this.keepToLoopback(request);
      return { isAdmin: true, principal: null, title: 'anybody' };
    }
    // Only the header counts: a page that the operator visits can make the browser send cookies and addresses.
    const token = bearerOf(request);
    if (token === null) throw refusals.unauthorized();
    if (adminToken !== null && isSame(token, adminToken)) {
      return { isAdmin: true, principal: null, title: 'the administrator token' };
    }
    if (this.provesNothing) throw refusals.unauthorized();
    const principal = await this.ask(request);
    return { isAdmin: principal.isAdmin === true, principal, title: `user ${JSON.stringify(principal.user)}` };
  }

  /** Who may connect, for the log. */
  get title(): string {
    const { authenticate, insecure } = this.options;
    if (!this.provesNothing) return `users are known by ${authenticate.name || 'a function'}`;
    return insecure
      ? 'users are known by ?user=, and any machine may connect (insecure)'
      : 'users are known by ?user=, and only this machine may connect';
  }

  /** Whether users are believed without a proof. */
  get provesNothing(): boolean {
    return this.options.authenticate === trusted;
  }

  private async ask(request: IncomingMessage): Promise<ProvenPrincipal> {
    if (this.provesNothing) this.keepToLoopback(request);
    const { clock, handshakeMs } = this.chat;
    try {
      // Meanwhile a client that has proved nothing holds a socket.
      return principalOf(await within(clock, handshakeMs, this.options.authenticate(request), () => late(handshakeMs)));
    } catch (error) {
      const refusal = refusalOf(error, request);
      if (refusal instanceof ReportedRefusal) {
        const { kind, message, level = 'warn', stack } = refusal.complaint;
        this.complaints[level](kind, message, stack);
      }
      throw refusal;
    }
  }

  /** An expired token still passes within the tolerance of the clocks. Its connection would be closed at once. */
  private unexpired(principal: ProvenPrincipal): ProvenPrincipal {
    const { expiresAt } = principal;
    if (expiresAt !== undefined && expiresAt <= this.chat.clock.now()) throw refusals.unauthorized();
    return principal;
  }

  /** Throws a HandshakeRefusal if users prove nothing and the request asks for a host other than the own machine. */
  checkHost(request: IncomingMessage): void {
    if (!this.provesNothing || this.options.insecure || asksForOwnMachine(request, this.chat.allowedHosts)) return;
    throw refusals.hostNotAllowed();
  }

  /** Protects an application that listens on every address by mistake. */
  private keepToLoopback(request: IncomingMessage): void {
    if (!this.options.insecure && !cameByLoopback(request)) {
      throw refusals.ownMachineOnly();
    }
    this.checkHost(request);
  }
}

function late(handshakeMs: number): ReportedRefusal {
  const message = `authenticate took longer than ${handshakeMs} ms, so the request was refused with 503.`;
  return new ReportedRefusal(refusals.authenticationUnavailable(), { kind: 'late', message });
}

/** Compares in constant time. Hashes have the same length, and the time reveals nothing about a guess. */
function isSame(token: string, secret: string): boolean {
  const [one, other] = [token, secret].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(one!, other!);
}
