import type { IncomingMessage } from 'node:http';
import type { Principal } from '../authentication/authenticator.js';
import { HandshakeRefusal } from '../authentication/refusal.js';
import { JsonCodec } from './json.codec.js';
import { TextCodec } from './text.codec.js';

/** Who may connect, and in which protocol. */
export interface Admission {
  readonly principal: Principal;
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

/** The protocol that a request to connect asks for, before the upgrade; throws a HandshakeRefusal when it is none of ours. */
export function codecOf(request: IncomingMessage): TextCodec | JsonCodec {
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
