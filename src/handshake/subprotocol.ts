import type { IncomingMessage } from 'node:http';
import type { ServerCodec } from '../protocol/frames.js';
import { refusals } from '../protocol/handshake-refusal.js';

/** The subprotocols, and the protocol that each stands for [protocol 3, 4]. */
const SUBPROTOCOLS: Readonly<Record<string, ServerCodec['protocol']>> = {
  'chat.v1.json': 'json',
  'chat.v1.text': 'text',
  chat: 'text',
};

/** Returns the first of the offered subprotocols that the server speaks; undefined when it speaks none of them. */
export function chooseSubprotocol(offered: Iterable<string>): string | undefined {
  for (const name of offered) if (Object.hasOwn(SUBPROTOCOLS, name)) return name;
  return undefined;
}

/** Returns the protocol of a handshake, which is text when it offers no subprotocol; throws a HandshakeRefusal. */
export function protocolOf(request: IncomingMessage): ServerCodec['protocol'] {
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
  if (!offered) return 'text';
  const chosen = chooseSubprotocol(offered);
  if (chosen === undefined) throw refusals.unknownSubprotocol(Object.keys(SUBPROTOCOLS));
  return SUBPROTOCOLS[chosen]!;
}
