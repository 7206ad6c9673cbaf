import type { IncomingMessage } from 'node:http';
import { refusals } from '../protocol/handshake-refusal.js';

/** JSON in UTF-8. Other bodies are left to the parsers of the application. */
const JSON_TYPE = /^\s*application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i;

/** The error for a body that is longer than a call accepts. */
export class LongBody extends Error {
  override readonly name = 'LongBody';
  readonly statusCode = 413;
  readonly code = 'PAYLOAD_TOO_LARGE';
  /** The rest of the body is not read. */
  readonly headers = { Connection: 'close' };

  constructor() {
    super('the body is longer than allowed');
  }
}

/** Whether a request has a JSON body that was not read yet. */
export function hasJson({ headers, readableEnded }: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  return !readableEnded && encoding === 'identity' && JSON_TYPE.test(type);
}

/**
 * Reads a JSON body; rejects with a LongBody, or with a HandshakeRefusal if it is not JSON. It does not use the parser
 * of Express: if that is installed, Nest does not install the one that the application configured.
 */
export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new LongBody();
  const chunks: Buffer[] = [];
  let length = 0;
  // Without this option, leaving the loop early would destroy the connection, and with it the response.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new LongBody();
    chunks.push(chunk);
  }
  if (length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw refusals.unreadableRequest();
  }
}
