import type { ClientOptions } from './api.js';
import type { Emitter } from './emitter.js';

/** A new token is asked for so long before the old one expires. */
const RENEW_BEFORE_MS = 60_000;
const MIN_RENEW_MS = 1_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout>;

/** Renews the token of an open connection before it expires. */
export class TokenRenewal {
  #timer: Timer | undefined;

  constructor(
    private readonly ask: ClientOptions['token'],
    private readonly emitter: Emitter,
    /** Gives a token to the server, on the connection that is open. */
    private readonly renew: (token: string) => void,
  ) {}

  /** `serverAheadMs`: the server's clock less `performance.now()`. The clock of this device may be hours wrong. */
  start(token: string, serverAheadMs: number): void {
    const expiresAt = expiryOf(token);
    if (expiresAt === null) return;
    const leftMs = expiresAt - serverAheadMs - performance.now();
    const inMs = Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2, MIN_RENEW_MS);
    const timer: Timer = setTimeout(() => void this.#renew(token, serverAheadMs, timer), Math.min(inMs, MAX_TIMER_MS));
    this.#timer = timer;
  }

  /** The connection is not open any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #renew(token: string, serverAheadMs: number, timer: Timer): Promise<void> {
    try {
      const next = await this.ask?.({ reason: 'expired' });
      if (!next || timer !== this.#timer) return; // Stopped meanwhile.
      this.renew(next);
      if (next !== token) this.start(next, serverAheadMs);
    } catch (error) {
      this.emitter.fail(error, 'connect'); // The server closes with 4401, and then it is asked for again.
    }
  }
}

/** When a JSON Web Token expires, in milliseconds since 1970; null when it does not say, or is no such token. */
function expiryOf(token: string): number | null {
  try {
    const claims = atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'));
    const { exp } = JSON.parse(claims) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1_000 : null;
  } catch {
    return null; // It may be any other kind of token.
  }
}
