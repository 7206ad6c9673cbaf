import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { within, type Clock } from '../options/clock.js';
import type { SendRequest } from '../protocol/send-request.js';
import type { Signal, SignalRequest } from '../protocol/signal.js';

/** What a connection asks to send; a signal has no content. */
export type AuthorizeRequest =
  | (SendRequest & { readonly type: 'message'; readonly to: string })
  | (SendRequest & { readonly type: 'broadcast'; readonly to?: undefined })
  | (SignalRequest & { readonly type: 'signal'; readonly content?: undefined; readonly id?: undefined });

/**
 * Returns whether a connection may send this direct message, this broadcast (`to` is undefined), or this signal. If it
 * returns false, throws, or takes longer than 10 s, that is refused with NOT_ALLOWED. Meanwhile the next messages of
 * this connection wait, in their order, and so do its signals.
 */
export type Authorize = (request: AuthorizeRequest, connection: ConnectionInfo) => boolean | Promise<boolean>;

/** The injection token of the application's policy; null if it has none. */
export const AUTHORIZE = Symbol.for('holdfast:authorize');

/** How long a policy may take, in milliseconds. */
const DECIDE_WITHIN_MS = 10_000;

/** Asks the application's policy. */
export class Policy {
  private readonly logger = new Logger('Policy');

  constructor(
    private readonly authorize: Authorize,
    private readonly clock: Clock,
  ) {}

  /** Returns whether a connection may send this, or a promise of that. It neither throws nor rejects. */
  decide(request: SendRequest | Signal, connection: Connection): boolean | Promise<boolean> {
    const verdict = this.verdictOf(request, connection);
    return typeof verdict === 'boolean' ? verdict : this.settle(verdict);
  }

  private verdictOf(request: SendRequest | Signal, connection: Connection): boolean | Promise<boolean> {
    try {
      return this.authorize(askedFor(request), connection);
    } catch (error) {
      return this.failed(error);
    }
  }

  private settle(verdict: Promise<boolean>): Promise<boolean> {
    const late = () => new Error(`no answer within ${DECIDE_WITHIN_MS} ms`);
    return within(this.clock, DECIDE_WITHIN_MS, verdict, late).then(
      (allowed) => allowed === true,
      (error: unknown) => this.failed(error),
    );
  }

  private failed(error: unknown): false {
    this.logger.error(`authorize failed: ${String(error)}`);
    return false;
  }
}

/** Returns a request as the application sees it. */
function askedFor(request: SendRequest | Signal): AuthorizeRequest {
  if (!('kind' in request)) {
    const { to } = request;
    return to === undefined ? { type: 'broadcast', ...request, to } : { type: 'message', ...request, to };
  }
  const { data, ...signal } = request;
  return { type: 'signal', ...signal, ...(data !== undefined && { data: JSON.parse(data) as unknown }) };
}
