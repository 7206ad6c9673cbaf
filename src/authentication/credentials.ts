import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { refusals } from '../protocol/handshake-refusal.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

const SUBPROTOCOL_PREFIX = 'bearer.';
/** The value of the header that carries a bearer token [RFC 6750 2.1]. */
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;

/** Returns the query of a request. The target of the request may be invalid. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  return new URLSearchParams(request.url!.split('?').slice(1).join('?'));
}

/**
 * Returns the bearer token of the `Authorization` header; null if there is none. A header with another scheme is
 * ignored: it may be meant for a proxy.
 */
export function bearerOf(request: IncomingMessage): string | null {
  return BEARER.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** Returns a request that has come over this socket with nothing but a bearer token. */
export function requestWith(token: string, socket: Socket): IncomingMessage {
  const request = new IncomingMessage(socket);
  const authorization = `Bearer ${token}`;
  // Reading its body would read the socket, which belongs to a connection.
  request.push(null);
  return Object.assign(request, {
    method: 'GET',
    url: '/',
    complete: true,
    headers: { authorization },
    rawHeaders: ['Authorization', authorization],
  });
}

/** Returns every token of a handshake: from the `Authorization` header, and from the subprotocols `bearer.TOKEN`. */
export function tokensOf(request: IncomingMessage): string[] {
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? [];
  const tokens = offered
    .filter((protocol) => protocol.startsWith(SUBPROTOCOL_PREFIX))
    .map((protocol) => protocol.slice(SUBPROTOCOL_PREFIX.length));
  const bearer = bearerOf(request);
  return bearer === null ? tokens : [bearer, ...tokens];
}

/**
 * Returns the user that `?user=` names, in its only spelling; null if there is no `?user=`. Throws a HandshakeRefusal
 * if the name is not valid, or if there is more than one.
 */
export function userNamedBy(query: URLSearchParams): string | null {
  const names = query.getAll('user');
  if (names.length === 0) return null;
  const user = parseUserName(names[0]);
  if (names.length === 1 && user !== null) return user;
  throw refusals.badUser(explainUserName(names[0]));
}
