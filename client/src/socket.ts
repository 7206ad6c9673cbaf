import type { ClientOptions } from './api.js';

const SUBPROTOCOL = 'chat.v1.json';

/** The part of a WebSocket that is used; that of browsers, of Node and of `ws` have it. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** Opens a WebSocket; throws when there is none here. */
export function openSocket(url: URL, token: string | null, given: ClientOptions['WebSocket']): Socket {
  const Constructor = (given ?? globalThis.WebSocket) as (new (url: string, protocols: string[]) => Socket) | undefined;
  if (!Constructor) throw new Error('there is no WebSocket here; give one as the option WebSocket');
  return new Constructor(url.href, token === null ? [SUBPROTOCOL] : [SUBPROTOCOL, `bearer.${token}`]);
}

/** Returns the address of the socket; `user` is who connects where names are believed. */
export function socketUrl(given: string | URL, user: string | undefined): URL {
  const url = new URL(given, globalThis.location?.href);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (user !== undefined) url.searchParams.set('user', user);
  return url;
}
