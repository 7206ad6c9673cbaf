import type { IncomingMessage } from 'node:http';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';
import { JsonCodec } from './json.codec.js';
import { TextCodec } from './text.codec.js';

/** A refusal before the upgrade: an HTTP answer with the body `{ statusCode, code, message }`. */
export class HandshakeRefusal extends Error {
  override readonly name = 'HandshakeRefusal';

  constructor(
    readonly statusCode: 400 | 403 | 404 | 405 | 426 | 429 | 503,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Who may connect, and in which protocol. */
export interface Admission {
  readonly user: string;
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

/** Checks a request to connect, before the upgrade; throws a HandshakeRefusal. */
export function admit(request: IncomingMessage): Admission {
  return { user: userOf(request), codec: codecOf(request) };
}

function userOf(request: IncomingMessage): string {
  const query = new URLSearchParams(request.url!.split('?').slice(1).join('?'));
  const names = query.getAll('user');
  if (names.length === 0) {
    throw new HandshakeRefusal(400, 'NO_USER', 'the address names no user; connect to …?user=NAME');
  }
  const user = parseUserName(names[0]);
  if (names.length > 1 || user === null) {
    throw new HandshakeRefusal(400, 'BAD_USER', `${USER_NAME_RULE}; connect to …?user=NAME with one such name`);
  }
  return user;
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
