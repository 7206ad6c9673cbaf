import type { WsLink } from './ws-link.js';

/** How to speak with one of the servers over WebSockets. */
export interface Dialect {
  path(user: string): string;
  readonly subprotocol?: string;
  /** The link may send as soon as the handshake is over. Otherwise the dialect calls `ready`. */
  readonly readyAtOnce: boolean;
  /** A sender is told that its message was taken. */
  readonly acknowledges: boolean;
  /** The frame for a direct message, with room for time and number. */
  direct(to: string, content: string): string;
  broadcast(content: string): string;
  onText(link: WsLink, bytes: Buffer, start: number, end: number): void;
  /** Acknowledges what the chunk brought, if it brought something. */
  acknowledge?(link: WsLink): void;
}
