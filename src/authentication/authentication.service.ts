import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { within } from '../options/clock.js';
import { RareLog } from '../options/rare-log.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { principalOf, refusalOf } from './authenticator-result.js';
import { AUTHENTICATION_OPTIONS, type AuthenticationOptions } from './authentication.options.js';
import type { ProvenPrincipal } from './authenticator.js';
import { bearerOf, queryOf, userNamedBy } from './credentials.js';
import { asksForOwnMachine, cameByLoopback } from './own-machine.js';
import { ReportedRefusal } from './reported-refusal.js';
import { Tickets } from './tickets.js';
import { trusted } from './trusted.authenticator.js';

/** Who makes a REST call. */
export interface Caller {
  readonly isAdmin: boolean;
  /** Null for the administrator's token, and for anybody where it is open to all. */
  readonly principal: ProvenPrincipal | null;
  /** For the log. */
  readonly title: string;
}

/**
 * Who asks, of a handshake and of a REST call. It holds no session: a connection that is open stays so until its
 * principal's time is over or an administrator ends it, whatever becomes of the user elsewhere.
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

  /** Who opens a connection; throws a HandshakeRefusal. */
  async authenticate(request: IncomingMessage): Promise<ProvenPrincipal> {
    const query = queryOf(request);
    const ticket = query.get('ticket');
    const principal = ticket === null ? await this.ask(request) : this.tickets.redeem(ticket);
    const named = userNamedBy(query);
    if (named !== null && named !== principal.user) {
      throw refusals.otherUser();
    }
    // Within the tolerance of the clocks it may be over already; the connection would end as it opens.
    if (principal.expiresAt !== undefined && principal.expiresAt <= this.chat.clock.now())
      throw refusals.unauthorized();
    return principal;
  }

  /** Who makes a REST call; throws a HandshakeRefusal for whom nobody knows. */
  async identify(request: IncomingMessage): Promise<Caller> {
    const { adminToken } = this.options;
    if (adminToken === null && this.provesNothing) {
      this.keepToLoopback(request);
      return { isAdmin: true, principal: null, title: 'anybody' };
    }
    // In the header only: cookies and addresses are sent by pages that the operator merely visits.
    const token = bearerOf(request);
    if (token === null) throw refusals.unauthorized();
    if (adminToken !== null && isSame(token, adminToken)) {
      return { isAdmin: true, principal: null, title: 'the administrator token' };
    }
    if (this.provesNothing) throw refusals.unauthorized();
    const principal = await this.ask(request);
    return { isAdmin: principal.isAdmin === true, principal, title: `user ${JSON.stringify(principal.user)}` };
  }

  /** Who is let in, for the log. */
  get title(): string {
    const { authenticate, insecure } = this.options;
    if (!this.provesNothing) return `users are known by ${authenticate.name || 'a function'}`;
    return insecure
      ? 'anybody is let in as whoever ?user= says (insecure)'
      : 'users are known by ?user=, and only this machine is let in';
  }

  /** Users are believed, whoever they say they are. */
  get provesNothing(): boolean {
    return this.options.authenticate === trusted;
  }

  private async ask(request: IncomingMessage): Promise<ProvenPrincipal> {
    if (this.provesNothing) this.keepToLoopback(request);
    const { clock, handshakeMs } = this.chat;
    try {
      // Until it answers it holds a socket of somebody who has proved nothing.
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

  /** Throws a HandshakeRefusal where nothing is proved and a request asks for another host than the own machine. */
  checkHost(request: IncomingMessage): void {
    if (!this.provesNothing || this.options.insecure || asksForOwnMachine(request, this.chat.allowedHosts)) return;
    throw refusals.hostNotAllowed();
  }

  /** The last line for an application that listens on every address without having thought of it. */
  private keepToLoopback(request: IncomingMessage): void {
    if (!this.options.insecure && !cameByLoopback(request)) {
      throw refusals.ownMachineOnly();
    }
    this.checkHost(request);
  }
}

function late(handshakeMs: number): ReportedRefusal {
  const message = `No answer of authenticate within ${handshakeMs} ms, so whoever asked was answered with 503.`;
  return new ReportedRefusal(refusals.authenticationUnavailable(), { kind: 'late', message });
}

/** In constant time: hashes have one length, and a guess learns nothing from how long it took. */
function isSame(token: string, secret: string): boolean {
  const [one, other] = [token, secret].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(one!, other!);
}
