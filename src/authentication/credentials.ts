import type { IncomingMessage } from 'node:http';
import { refusals } from '../protocol/handshake-refusal.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

const SUBPROTOCOL_PREFIX = 'bearer.';
/** [RFC 6750 2.1] */
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;

/** The query of a request, which may have any target. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  return new URLSearchParams(request.url!.split('?').slice(1).join('?'));
}

/** The bearer token in the `Authorization` header; null without one. Another scheme there is somebody else's, such as a proxy's. */
export function bearerOf(request: IncomingMessage): string | null {
  return BEARER.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** Every token that a handshake brings: in the `Authorization` header, and as `bearer.TOKEN` among the subprotocols. */
export function tokensOf(request: IncomingMessage): string[] {
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? [];
  const tokens = offered
    .filter((protocol) => protocol.startsWith(SUBPROTOCOL_PREFIX))
    .map((protocol) => protocol.slice(SUBPROTOCOL_PREFIX.length));
  const bearer = bearerOf(request);
  return bearer === null ? tokens : [bearer, ...tokens];
}

/** The user whom the address names, in its only spelling; null when it names none, and a refusal when it is no such name. */
export function userNamedBy(query: URLSearchParams): string | null {
  const names = query.getAll('user');
  if (names.length === 0) return null;
  const user = parseUserName(names[0]);
  if (names.length === 1 && user !== null) return user;
  throw refusals.badUser(explainUserName(names[0]));
}
