import type { IncomingMessage } from 'node:http';

/**
 * Whether the page that makes a handshake may connect. `allowed` lists the origins that may. Null allows any, and
 * undefined those of the host that the handshake asks for. A client without an `Origin` is not a page and is always
 * allowed.
 */
export function isOriginAllowed(
  { headers: { origin, host } }: IncomingMessage,
  allowed: readonly string[] | null | undefined,
): boolean {
  if (origin === undefined || allowed === null) return true;
  return allowed === undefined ? isSameHost(origin, host ?? '') : allowed.includes(origin);
}

function isSameHost(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: ofPage } = new URL(origin);
  const asked = `${protocol}//${host}`; // With the scheme of the page, so that default ports compare equal.
  return URL.canParse(asked) && new URL(asked).host === ofPage;
}
