import type { ChatOptions } from '../options/chat.options.js';
import type { PaceLimits } from '../gateway/rate-limits.js';

/** What the application may know of a connection. */
export interface ConnectionInfo {
  readonly id: string;
  readonly user: string;
  readonly protocol: 'text' | 'json';
  readonly remoteAddress: string;
  /** In milliseconds since 1970. */
  readonly connectedAt: number;
  /** What `authenticate` answered for it. */
  readonly principal: unknown;
}

/** What is known of a connection before it is open. */
export interface ConnectionOrigin {
  readonly user: string;
  readonly remoteAddress: string;
  /** When it has to end, in milliseconds since 1970; left out, it has not. */
  readonly expiresAt?: number;
  /** Who its peer proved to be, as the application says it. */
  readonly principal?: unknown;
}

/** How much a peer may send, null being no limit, and how much may wait to leave to it. */
export type ConnectionLimits = PaceLimits &
  Pick<ChatOptions, 'slowBufferBytes' | 'maxBufferedBytes' | 'ackWindow' | 'maxContentBytes' | 'heartbeatMs'>;
