/** What the application may know of a connection. */
export interface ConnectionInfo {
  readonly id: string;
  readonly user: string;
  readonly protocol: 'text' | 'json';
  readonly remoteAddress: string;
  /** In milliseconds since 1970. */
  readonly connectedAt: number;
  /** What `authenticate` returned for it. */
  readonly principal: unknown;
}

/** What is known of a connection before it is open. */
export interface ConnectionOrigin {
  readonly user: string;
  readonly remoteAddress: string;
  /** When the connection is to be closed, in milliseconds since 1970; left out when its credentials do not expire. */
  readonly expiresAt?: number;
  /** Who its peer proved to be, in the application's own words. */
  readonly principal?: unknown;
}
