import type { IncomingMessage } from 'node:http';

/** Who somebody has proved to be. */
export interface Principal {
  /** The name of the user, in its only spelling: one with blanks around it or that is not in NFC is refused with 403. */
  readonly user: string;
  /** When the proof ends, in milliseconds since 1970 or as a Date, and with it the connection (4401); null or left out, it never does. */
  readonly expiresAt?: number | Date | null;
  /** Whether every REST call is allowed; not unless it is true. */
  readonly isAdmin?: boolean;
  /** Whatever else the application wants to know of a connection; of `jwt`, the `claims` of the token. */
  readonly [detail: string]: unknown;
}

/** A principal as it is once it is checked. */
export type ProvenPrincipal = Principal & { readonly expiresAt?: number };

/**
 * Says who makes a request: before every upgrade, and of every REST call that brings a bearer token which is not the
 * administrator's. For whom it does not know it returns null, which is answered with 401, or throws a HandshakeRefusal or one of
 * Nest's HttpExceptions, which are answered as they are; what a token library throws is answered with 401. Any other error,
 * a wrong answer, and none within `handshakeMs` (10 s), are answered with 503, and logged. `?ticket=` is not its concern:
 * tickets are redeemed before.
 */
export type Authenticator = (request: IncomingMessage) => Principal | null | Promise<Principal | null>;
