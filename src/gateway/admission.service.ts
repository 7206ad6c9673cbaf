import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import proxyaddr from 'proxy-addr';
import { AuthenticationService } from '../authentication/authentication.service.js';
import type { Principal } from '../authentication/authenticator.js';
import { HandshakeRefusal } from '../authentication/refusal.js';
import type { ConnectionOrigin } from '../connections/connection.js';
import { ConnectionService } from '../connections/connection.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { JsonCodec } from './json.codec.js';
import { TextCodec } from './text.codec.js';

/** Who may connect, from where, and in which protocol. */
export interface Admission {
  readonly origin: ConnectionOrigin;
  readonly codec: TextCodec | JsonCodec;
}

const jsonCodec = new JsonCodec();

/** The subprotocols [protocol 3, 4]; with none asked for a client speaks text. */
const CODECS: Readonly<Record<string, () => TextCodec | JsonCodec>> = {
  'chat.v1.json': () => jsonCodec,
  'chat.v1.text': () => new TextCodec(),
  chat: () => new TextCodec(),
};

/** Of the subprotocols that a client offers, the first one that is spoken here; undefined when there is none. */
export function chooseSubprotocol(offered: Iterable<string>): string | undefined {
  for (const protocol of offered) if (Object.hasOwn(CODECS, protocol)) return protocol;
  return undefined;
}

function codecOf(request: IncomingMessage): TextCodec | JsonCodec {
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim());
  if (!offered) return new TextCodec();
  const chosen = chooseSubprotocol(offered);
  if (chosen) return CODECS[chosen]!();
  throw new HandshakeRefusal(
    400,
    'UNKNOWN_SUBPROTOCOL',
    `none of the offered subprotocols is spoken here; offer one of ${Object.keys(CODECS).join(', ')}, or none`,
  );
}

const AGAIN_SOON = { 'Retry-After': '5' };

/** Decides before the upgrade who may connect: by the page it comes from, the credentials, and the room that there is. */
@Injectable()
export class AdmissionService {
  private readonly trust: ReturnType<typeof proxyaddr.compile>;
  private closed = false;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
  ) {
    this.trust = proxyaddr.compile([...options.trustedProxies]);
  }

  /** Admits nobody from here on. */
  close(): void {
    this.closed = true;
  }

  /** Throws a HandshakeRefusal for whoever may not. */
  async admit(request: IncomingMessage): Promise<Admission> {
    this.checkOpen();
    this.checkOrigin(request);
    const principal = await this.authentication.authenticate(request);
    this.checkOpen(); // Nobody would say goodbye to a connection that opened meanwhile.
    const admission = { origin: this.originOf(request, principal), codec: codecOf(request) };
    this.checkRoom(admission.origin);
    return admission;
  }

  /** Where a client comes from, as far as proxies that are trusted report it; what anybody else claims is not believed. */
  private originOf(request: IncomingMessage, principal: Principal): ConnectionOrigin {
    const { user, expiresAt } = principal;
    const remoteAddress = proxyaddr(request as Parameters<typeof proxyaddr>[0], this.trust) ?? '';
    return { user, remoteAddress, principal, ...(expiresAt === undefined ? {} : { expiresAt }) };
  }

  private checkOpen(): void {
    if (!this.closed) return;
    const message = 'the server is going away; connect again in a few seconds';
    throw new HandshakeRefusal(503, 'GOING_AWAY', message, AGAIN_SOON);
  }

  private checkOrigin({ headers: { origin } }: IncomingMessage): void {
    const { allowedOrigins } = this.options;
    if (origin === undefined || allowedOrigins === null || allowedOrigins.includes(origin)) return;
    throw new HandshakeRefusal(403, 'ORIGIN_NOT_ALLOWED', 'pages of this origin may not connect here');
  }

  private checkRoom(origin: ConnectionOrigin): void {
    const full = this.connections.fullFor(origin);
    if (full === null) return;
    if (full === 'server') {
      throw new HandshakeRefusal(503, 'SERVER_FULL', 'there is no room; try again later', AGAIN_SOON);
    }
    const whose = full === 'user' ? 'this user has' : 'your address has';
    const message = `${whose} too many connections; close one first`;
    throw new HandshakeRefusal(429, 'TOO_MANY_CONNECTIONS', message, AGAIN_SOON);
  }
}
