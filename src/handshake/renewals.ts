import type { Socket } from 'node:net';
import type { AuthenticationService } from '../authentication/authentication.service.js';
import type { Connection } from '../connections/connection.js';
import type { ConnectionService } from '../connections/connection.service.js';
import { TokenBucket } from '../connections/token-bucket.js';
import type { Clock } from '../options/clock.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';

/** How often a connection may bring a new token: once in 5 s, and three times at once. */
const PER_SECOND = 1 / 5;
const BURST = 3;

const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;

/** Checks the new tokens of open connections, which then end with those [protocol 8.1]. */
export class Renewals {
  private readonly rates = new WeakMap<Connection, TokenBucket>();
  /** The connections of which a token is being checked. */
  private readonly underWay = new WeakSet<Connection>();

  constructor(
    private readonly clock: Clock,
    private readonly authentication: AuthenticationService,
    private readonly connections: ConnectionService,
  ) {}

  /**
   * Moves the end of a connection to that of this token. Returns when that is, in milliseconds since 1970, or null for
   * never. Rejects with a ChatError if the token is not good; the connection then ends when it would have ended.
   */
  async renew(connection: Connection, token: string): Promise<number | null> {
    if (this.underWay.has(connection) || !this.rateOf(connection).take(this.clock.now()))
      throw errors.tooManyRenewals();
    this.underWay.add(connection);
    try {
      const principal = await this.authentication.verify(token, connection.stream as Socket);
      if (principal.user !== connection.user) throw errors.badToken();
      this.connections.renew(connection, principal);
      return principal.expiresAt ?? null;
    } catch (error) {
      throw error instanceof HandshakeRefusal ? errorOf(error) : error;
    } finally {
      this.underWay.delete(connection);
    }
  }

  private rateOf(connection: Connection): TokenBucket {
    let rate = this.rates.get(connection);
    if (!rate) this.rates.set(connection, (rate = new TokenBucket(PER_SECOND, BURST, this.clock.now())));
    return rate;
  }
}

/** The same token may be good later where a handshake would be told to come back. */
function errorOf(refusal: HandshakeRefusal): ChatError {
  const { statusCode } = refusal;
  if (statusCode >= SERVER_ERROR || statusCode === TOO_MANY_REQUESTS) return errors.tokenUnchecked(refusal);
  return errors.badToken();
}
