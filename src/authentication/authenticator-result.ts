import { HttpException, HttpStatus } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { inspect } from 'node:util';
import { HandshakeRefusal, isRefusalStatus, refusals } from '../protocol/handshake-refusal.js';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';
import type { Principal, ProvenPrincipal } from './authenticator.js';
import { queryOf, tokensOf } from './credentials.js';
import { ReportedRefusal } from './reported-refusal.js';

/** In milliseconds it is 1973, in seconds the year 5138: whatever is below was meant as seconds, or is no time of today. */
const EARLIEST_MS = 100_000_000_000;
/** A shorter text is no credential, and could be a part of any word. */
const MIN_SECRET_CHARACTERS = 8;
/** So much of what was thrown goes to the log, in characters. */
const MAX_LOGGED = 4_000;

/**
 * What the application's `authenticate` answered, once it is checked; throws a HandshakeRefusal. Of a wrong answer the
 * operator is told: no client can mend it.
 */
export function principalOf(answer: unknown): ProvenPrincipal {
  // What is outside of TypeScript may answer nothing for whom it does not know.
  if (answer === null || answer === undefined) throw refusals.unauthorized();
  if (typeof answer !== 'object') throw wrong('its answer', answer, 'answer { user: NAME }, or null for nobody');
  const { user, expiresAt, isAdmin, ...details } = answer as Principal;
  if (typeof user !== 'string') throw wrong('user', user, 'give the name of the user, a string');
  if (isAdmin !== undefined && isAdmin !== null && typeof isAdmin !== 'boolean') {
    throw wrong('isAdmin', isAdmin, 'give true or false');
  }
  // Trimmed or composed, it would open the mailbox of somebody else: what proves a name has to spell it as it is.
  if (parseUserName(user) !== user) {
    throw new ReportedRefusal(refusals.unusableName(), {
      kind: 'answer user',
      level: 'error',
      message:
        'authenticate answered a `user` that is no name here, or has blanks around it or another spelling than NFC, so it was ' +
        `refused with 403; give one that is (${USER_NAME_RULE}).`,
    });
  }
  const end = endOf(expiresAt);
  return { ...details, user, ...(end === null ? {} : { expiresAt: end }), ...(isAdmin === true ? { isAdmin } : {}) };
}

/** When a proof ends, in milliseconds since 1970; null for never. */
function endOf(expiresAt: unknown): number | null {
  if (expiresAt === undefined || expiresAt === null) return null;
  const ms = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
  const advice = 'give milliseconds since 1970 or a Date, and null for never';
  if (typeof ms !== 'number' || !Number.isFinite(ms)) throw wrong('expiresAt', ms, advice);
  if (ms < EARLIEST_MS) throw wrong('expiresAt', 'seconds', advice, 'looks like seconds');
  return ms;
}

function wrong(field: string, value: unknown, advice: string, problem = `is ${kindOf(value)}`): ReportedRefusal {
  const named = field === 'its answer' ? field : `\`${field}\` of its answer`;
  const message = `authenticate answers wrongly, so nobody can be let in (503): ${named} ${problem}; ${advice}.`;
  return new ReportedRefusal(refusals.authenticationUnavailable(), {
    kind: `answer ${field}`,
    level: 'error',
    message,
  });
}

/** What a value is, without a word of what is in it. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** How a failed `authenticate` is answered: as it says, if it does; with 401 for what a token library throws; and else with 503. */
export function refusalOf(error: unknown, request: IncomingMessage): HandshakeRefusal {
  if (error instanceof HandshakeRefusal) return error;
  if (isOfToken(error)) return refusals.unauthorized();
  if (error instanceof HttpException && isRefusalStatus(error.getStatus())) {
    const refusal = refusalLike(error);
    return refusal.statusCode < 500 ? refusal : reported(refusal, error, request);
  }
  return reported(refusals.authenticationUnavailable(), error, request);
}

function refusalLike(error: HttpException): HandshakeRefusal {
  const status = error.getStatus();
  const body = error.getResponse();
  const code = typeof body === 'object' && 'code' in body ? String(body.code) : (HttpStatus[status] ?? 'ERROR');
  return refusals.ofApplication(status, code, error.message);
}

/** Of jsonwebtoken, and so of @nestjs/jwt. */
const TOKEN_ERRORS = ['JsonWebTokenError', 'TokenExpiredError', 'NotBeforeError'];
/** Of jose; its other codes are of keys that can't be read, which is no fault of a token. */
const TOKEN_CODES =
  /^ERR_(JW[STE]_.*|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)$/;

/** A token was refused, rather than that nobody could tell. */
export function isOfToken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && TOKEN_CODES.test(code)) return true;
  // jsonwebtoken gives the same name to a key that it was not given.
  return TOKEN_ERRORS.includes(error.name) && !error.message.includes('secret or public key');
}

function reported(refusal: HandshakeRefusal, error: unknown, request: IncomingMessage): ReportedRefusal {
  const { name, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : { name: typeof error, code: '' };
  const thrown = error instanceof Error ? error.stack : inspect(error, { depth: 0 });
  return new ReportedRefusal(refusal, {
    kind: `thrown ${name} ${code}`,
    message:
      `authenticate failed, so whoever asked was answered with ${refusal.statusCode}; for whom it does not know it has to return null, ` +
      'or throw a HandshakeRefusal or an HttpException.',
    stack: withoutCredentials(String(thrown), request).slice(0, MAX_LOGGED),
  });
}

/** Whoever makes an error may quote in it what came with the request. */
function withoutCredentials(text: string, request: IncomingMessage): string {
  const headers = Object.entries(request.headers)
    .filter(([name]) => name === 'authorization' || name === 'cookie' || name.startsWith('x-'))
    .map(([, value]) => String(value));
  const cookies = request.headers.cookie?.split(/;|=/).map((part) => part.trim()) ?? [];
  return [...headers, ...cookies, ...tokensOf(request), ...queryOf(request).values()]
    .filter((secret) => secret.length >= MIN_SECRET_CHARACTERS)
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}
