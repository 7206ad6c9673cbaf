/** What the application may know of a connection. */
export interface ConnectionInfo {
  readonly id: string;
  readonly user: string;
  readonly protocol: 'text' | 'json';
  readonly remoteAddress: string;
  /** In milliseconds since 1970. */
  readonly connectedAt: number;
  /** What `authenticate` returned for it: at its handshake, or for a newer token that it brought since. */
  readonly principal: unknown;
}

/** What is known of a connection when it opens. */
export interface ConnectionOrigin {
  readonly user: string;
  readonly remoteAddress: string;
  /**
   * When the credentials expire and the connection is closed, in milliseconds since 1970; left out if they do not
   * expire.
   */
  readonly expiresAt?: number;
  /** What `authenticate` returned for it. */
  readonly principal?: unknown;
}
