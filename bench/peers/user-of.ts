import type { IncomingMessage } from 'node:http';

/** The `?user=` of a handshake. */
export function userOf(request: IncomingMessage): string {
  return new URL(request.url!, 'http://localhost').searchParams.get('user')!;
}
