// Why a connection ended or could not be opened, in words, and what to do next.

import { fetchSettings } from './joining.js';

const MIN_PAUSE_SECONDS = 1;
const MAX_PAUSE_SECONDS = 3_600;
/** Clients of a server that goes away come back spread over this many seconds, not all at once. */
const SPREAD_SECONDS = 4;
const ASK_WITHIN_MS = 10_000;

const UNREACHABLE = 'the server cannot be reached';

/** By close code [protocol 5]: try again after a pause or with backoff, stop, or get a new token. */
const ENDINGS = {
  1001: ['the server is going away', 'pause'],
  1006: ['the connection was lost', 'backoff'],
  1009: ['the server does not take so big a message', 'backoff'],
  1011: ['the server failed', 'backoff'],
  1013: ['the server has too much to do', 'backoff'],
  4400: ['the server did not understand this page', 'stop'],
  4401: ['the token has expired; a new one is needed', 'renew'],
  4403: ['disconnected by an administrator', 'stop'],
  4408: ['the connection fell silent', 'backoff'],
  4409: ['replaced by a newer connection under the same name', 'stop'],
  4429: ['too much was sent in a short time', 'backoff'],
};

/** What a close frame means. Its reason may say `retry-after=SECONDS`. */
export function endingOf(code, reason = '') {
  const [why, next] = ENDINGS[code] ?? [`the connection ended with code ${code}`, 'backoff'];
  if (next !== 'pause') return { why, next };
  const [, seconds] = /\bretry-after=(\d+)/.exec(reason) ?? [];
  // With the hint, the server has spread the clients itself [protocol 9].
  return { why, next, pauseMs: seconds === undefined ? pauseMs(MIN_PAUSE_SECONDS) : pauseMs(seconds, 1) };
}

function pauseMs(seconds, spreadSeconds = SPREAD_SECONDS) {
  return 1_000 * (Math.min(Number(seconds), MAX_PAUSE_SECONDS) + Math.random() * spreadSeconds);
}

/**
 * Finds out why a handshake failed. Browsers hide it from pages, but a request that is refused for the same reason
 * shows it. This only tells reasons about the credentials or about the server as a whole.
 */
export async function explainRefusal(path, token) {
  if (token === null) return (await fetchSettings()) ? refusedAllTheSame() : { why: UNREACHABLE, next: 'backoff' };
  let response;
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const signal = AbortSignal.timeout(ASK_WITHIN_MS);
    response = await fetch(`.${path}/tickets`, { method: 'POST', headers, signal });
  } catch {
    return { why: UNREACHABLE, next: 'backoff' };
  }
  if (response.ok) return refusedAllTheSame();
  const { status, headers } = response;
  const { code, message } = await response.json().catch(() => ({})); // The body is a proxy's, or empty.
  const why = message ? `${message} (${status} ${code})` : `the server, or a proxy before it, answered ${status}`;
  if (status === 401) return { why: `the server does not take this token: ${why}`, next: 'renew' };
  if (status === 403 || status === 431) return { why, next: 'renew' };
  const retryAfter = headers.get('Retry-After');
  return /^\d+$/.test(retryAfter) ? { why, next: 'pause', pauseMs: pauseMs(retryAfter) } : { why, next: 'backoff' };
}

function refusedAllTheSame() {
  const why =
    'the server refuses the connection: too many may be open, or it does not let pages of ' +
    `${location.origin} connect (CHAT_ALLOWED_ORIGINS)`;
  return { why, next: 'backoff' };
}
