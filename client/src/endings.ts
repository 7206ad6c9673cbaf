import { randomUpTo } from './backoff.js';

/** The most seconds that a hint of the server is followed for. */
const MAX_HINT_SECONDS = 3_600;
const EXPLAIN_WITHIN_MS = 10_000;
const GOING_AWAY = 1001;
/** The answer to a plain request whose handshake would be accepted; 404 where the path serves only the socket. */
const UNKNOWN_REASON = [426, 404];
/** Browsers do not send the origin of a page with plain requests to its own host. */
const NOT_ALLOWED = 'the server refused the connection; it may not let pages of this origin connect';

export interface Ending {
  /** For people. */
  readonly why: string;
  /** Try again after a pause, with a new token at once, or not at all. */
  readonly next: 'retry' | 'renew' | 'stop';
}

/** By close code [protocol 5.5]. */
const ENDINGS: Readonly<Record<number, readonly [why: string, next?: Ending['next']]>> = {
  1001: ['the server is going away'],
  1006: ['the connection was lost'],
  1009: ['the server does not take so big a message'],
  1011: ['the server failed'],
  1013: ['the server has too much to do'],
  4400: ['the server did not understand this client', 'stop'],
  4401: ['the token has expired', 'renew'],
  4403: ['disconnected by an administrator', 'stop'],
  4408: ['the connection fell silent'],
  4409: ['replaced by a newer connection of the same user', 'stop'],
  4429: ['too much was sent in a short time'],
};

export function endingOf(code: number): Ending {
  const [why, next = 'retry'] = ENDINGS[code] ?? [`the connection ended with code ${code}`];
  return { why, next };
}

/**
 * The pause that a close frame asks for, in milliseconds, with a random part so that clients do not come together; null
 * when it asks for none [protocol 9].
 */
export function pauseOf(code: number, reason: string): number | null {
  const seconds = /\bretry-after=(\d+)/.exec(reason)?.[1];
  if (seconds !== undefined) return hinted(Number(seconds));
  return code === GOING_AWAY ? 1_000 + randomUpTo(4_000) : null;
}

function hinted(seconds: number): number {
  return Math.min(seconds, MAX_HINT_SECONDS) * 1_000 + randomUpTo(1_000);
}

export interface Refusal {
  readonly why: string;
  /** HTTP status; null when the server cannot be reached. */
  readonly code: number | null;
  readonly retryAfterMs: number | null;
}

/** Asks by plain HTTP why a handshake was refused. */
export async function explainRefusal(socketUrl: URL, token: string | null): Promise<Refusal> {
  const url = new URL(socketUrl);
  url.protocol = url.protocol.replace(/^ws/, 'http');
  let response: Response;
  try {
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    response = await fetch(url, { headers, signal: AbortSignal.timeout(EXPLAIN_WITHIN_MS) });
  } catch {
    return { why: 'the server cannot be reached', code: null, retryAfterMs: null };
  }
  const { status } = response;
  if (UNKNOWN_REASON.includes(status)) return { why: NOT_ALLOWED, code: null, retryAfterMs: null };
  const body = (await response.json().catch(() => ({}))) as { message?: unknown }; // It may be a proxy's.
  const why = typeof body.message === 'string' ? body.message : `the server, or a proxy before it, answered ${status}`;
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  return { why, code: status, retryAfterMs: seconds >= 0 ? hinted(seconds) : null };
}
