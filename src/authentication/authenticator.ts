import type { IncomingMessage } from 'node:http';

/** Who somebody has proved to be. */
export interface Principal {
  /** The name of the user; it is checked as every user name is. */
  readonly user: string;
  /** When the proof ends, in milliseconds since 1970, and with it the connection (4401); left out, it never does. */
  readonly expiresAt?: number;
  /** Whether every REST call is allowed; not unless it is true. */
  readonly isAdmin?: boolean;
  /** Whatever else the application wants to know of a connection; of `jwt`, the `claims` of the token. */
  readonly [detail: string]: unknown;
}

/**
 * Says who makes a request: before every upgrade, and of every REST call that brings a bearer token which is not the
 * administrator's. It throws for whom it does not know, which is answered with 401; a HandshakeRefusal is answered as it
 * is. An answer that takes more than `handshakeMs` (10 s) is answered with 503. `?ticket=` is not its concern: tickets are redeemed before.
 */
export type Authenticator = (request: IncomingMessage) => Principal | Promise<Principal>;
