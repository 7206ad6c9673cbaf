import type { IncomingMessage } from 'node:http';

/** Who a client has proved to be. */
export interface Principal {
  /** The name of the user. A name with blanks around it, or one that is not in NFC, is refused with 403. */
  readonly user: string;
  /**
   * When the credentials expire, in milliseconds since 1970 or as a Date. Then the connection is closed with 4401. If
   * null or left out, they do not expire.
   */
  readonly expiresAt?: number | Date | null;
  /** Whether the user is an administrator, who may make every REST call. Only `true` counts. */
  readonly isAdmin?: boolean;
  /**
   * Anything else that the application wants to know of a connection. With `jwt` it is `claims`, those of the token.
   */
  readonly [detail: string]: unknown;
}

/** A principal that was checked. */
export type ProvenPrincipal = Principal & { readonly expiresAt?: number };

/**
 * Returns who makes a request, or null for an unknown user, which is refused with 401. It is called before every
 * upgrade, for every REST call with a bearer token other than the administrator's, when a page asks why its handshake
 * was refused, and for a new token of an open connection, with a request that has nothing but that bearer token. It is
 * not called for `?ticket=`.
 *
 * To choose the response, throw a HandshakeRefusal or one of Nest's HttpExceptions. An error of a token library becomes
 * 401. Any other error, an invalid result, or one that takes longer than `handshakeMs` (10 s) becomes 503 and is
 * logged.
 */
export type Authenticator = (request: IncomingMessage) => Principal | null | Promise<Principal | null>;
