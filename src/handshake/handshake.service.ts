import { Inject, Injectable, Logger } from '@nestjs/common';
import { randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AuthenticationService } from '../authentication/authentication.service.js';
import type { ConnectionOrigin } from '../connections/connection-info.js';
import { ConnectionService } from '../connections/connection.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { RareLog } from '../options/rare-log.js';
import type { ServerCodec } from '../protocol/frames.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import type { Place } from './connection-slots.js';
import { EntranceService } from './entrance.service.js';
import { protocolOf } from './subprotocol.js';

/** Who may connect, from where, and in which protocol. */
export interface Admission {
  readonly origin: ConnectionOrigin;
  readonly protocol: ServerCodec['protocol'];
}

const AGAIN_SOON = { 'Retry-After': '5' };

/** Whoever is sent away in a storm comes again within so many seconds: not all in the same one, or they make the next storm. */
const COME_AGAIN_WITHIN_SECONDS = 5;

/** Decides before the upgrade who may connect: by the page it comes from, the room that there is, its turn, and the credentials. */
@Injectable()
export class AdmissionService {
  private closed = false;
  private readonly log: RareLog;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
    @Inject(EntranceService) private readonly entrance: EntranceService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
  ) {
    this.log = new RareLog(new Logger('Admission'), options.clock);
  }

  /** Admits nobody from here on, whoever waits included. */
  close(): void {
    this.closed = true;
    this.entrance.line.close();
  }

  /** Counts a handshake that was refused, here or before it came here. */
  onRefused(code: string): void {
    this.entrance.onRefused(code);
  }

  /** Throws a HandshakeRefusal for whoever may not. */
  async admit(request: IncomingMessage): Promise<Admission> {
    this.checkOpen();
    this.checkOrigin(request);
    const remoteAddress = this.entrance.addressOf(request);
    const place = this.takePlace(remoteAddress, request);
    await this.waitInLine(request);
    const principal = await this.authentication.authenticate(request);
    const { user, expiresAt } = principal;
    this.checkOpen(); // Nobody would say goodbye to a connection that opened meanwhile.
    const protocol = protocolOf(request);
    await this.seat(user, place, request);
    return { origin: { user, remoteAddress, principal, ...(expiresAt === undefined ? {} : { expiresAt }) }, protocol };
  }

  private checkOpen(): void {
    if (!this.closed) return;
    const message = 'the server is going away; connect again in a few seconds';
    throw new HandshakeRefusal(503, 'GOING_AWAY', message, AGAIN_SOON);
  }

  private checkOrigin({ headers: { origin, host } }: IncomingMessage): void {
    const { allowedOrigins = this.authentication.provesNothing ? null : ofHost(origin, host) } = this.options;
    if (origin === undefined || allowedOrigins === null || allowedOrigins.includes(origin)) return;
    throw new HandshakeRefusal(403, 'ORIGIN_NOT_ALLOWED', 'pages of this origin may not connect here');
  }

  private takePlace(remoteAddress: string, { socket }: IncomingMessage): Place {
    const place = this.entrance.takePlace(remoteAddress, socket);
    if (place === 'address') throw tooManyConnections('your address has');
    if (place !== 'server') return place;
    throw new HandshakeRefusal(503, 'SERVER_FULL', 'there is no room; try again later', AGAIN_SOON);
  }

  /** Gives a place to the newest connection of a user, unless its older ones are alive, or take over from each other for ever. */
  private async seat(user: string, place: Place, { socket }: IncomingMessage): Promise<void> {
    if (this.options.sessions === 'replace' && this.entrance.places.of(user) > 0) this.noteTakeOver(user);
    if (place.assign(user)) return;
    if (!socket.destroyed) await this.connections.makeRoom(user);
    this.checkOpen();
    if (!place.assign(user)) throw tooManyConnections('this user has');
  }

  private noteTakeOver(user: string): void {
    const waitMs = this.entrance.takeOvers.note(user);
    if (waitMs === null) return;
    this.log.warn(
      'take-overs',
      `Clients take over from each other again and again, as user ${JSON.stringify(user)} last: give each a name of its own, or let ` +
        "all of one stay with sessions: 'multiple' (CHAT_SESSIONS).",
    );
    const message =
      'connections of this user take over from each other too often; close the others, or come back later';
    throw new HandshakeRefusal(429, 'TOO_MANY_TAKE_OVERS', message, {
      'Retry-After': String(Math.ceil(waitMs / 1000)),
    });
  }

  private async waitInLine({ socket }: IncomingMessage): Promise<void> {
    if (await this.entrance.line.enter(socket)) return;
    this.checkOpen();
    throw new HandshakeRefusal(503, 'SERVER_BUSY', 'too many connect at once; try again in a few seconds', {
      'Retry-After': String(randomInt(1, COME_AGAIN_WITHIN_SECONDS + 1)),
    });
  }
}

/** The origin, if it is of a page of this host: of the one name at which a browser asks for both. */
function ofHost(origin = '', host = ''): readonly string[] {
  if (!URL.canParse(origin)) return [];
  const { protocol, host: itsHost } = new URL(origin);
  const asked = `${protocol}//${host}`; // With its protocol, which says what port needs no word.
  return URL.canParse(asked) && new URL(asked).host === itsHost ? [origin] : [];
}

function tooManyConnections(whose: string): HandshakeRefusal {
  const message = `${whose} too many connections; close one first`;
  return new HandshakeRefusal(429, 'TOO_MANY_CONNECTIONS', message, AGAIN_SOON);
}
