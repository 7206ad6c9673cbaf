import { HttpException, HttpStatus } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { inspect } from 'node:util';
import { HandshakeRefusal, isRefusalStatus, refusals } from '../protocol/handshake-refusal.js';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';
import type { Principal, ProvenPrincipal } from './authenticator.js';
import { queryOf, tokensOf } from './credentials.js';
import { ReportedRefusal } from './reported-refusal.js';

/**
 * In milliseconds this is 1973, in seconds the year 5138. A lower number was meant as seconds, or is not a time of
 * today.
 */
const EARLIEST_MS = 100_000_000_000;
/** A shorter text is not a credential, and could be part of any word. */
const MIN_SECRET_CHARACTERS = 8;
/** How much of a thrown error is logged, in characters. */
const MAX_LOGGED = 4_000;

/**
 * Checks what the application's `authenticate` returned, and returns the principal; throws a HandshakeRefusal. An
 * invalid result is logged, since no client can correct it.
 */
export function principalOf(result: unknown): ProvenPrincipal {
  // Code without types may return undefined for an unknown user.
  if (result === null || result === undefined) throw refusals.unauthorized();
  if (typeof result !== 'object')
    throw wrong('the result', result, 'return { user: NAME }, or null for an unknown user');
  const { user, expiresAt, isAdmin, ...details } = result as Principal;
  if (typeof user !== 'string') throw wrong('user', user, 'give the name of the user, a string');
  if (isAdmin !== undefined && isAdmin !== null && typeof isAdmin !== 'boolean') {
    throw wrong('isAdmin', isAdmin, 'give true or false');
  }
  // Trimming or composing it here could open the mailbox of somebody else. The application has to return the exact
  // name.
  if (parseUserName(user) !== user) {
    throw new ReportedRefusal(refusals.unusableName(), {
      kind: 'result user',
      level: 'error',
      message:
        'authenticate returned a `user` that is not a valid name, has blanks around it or is not in NFC, so the request was ' +
        `refused with 403; return a valid one (${USER_NAME_RULE}).`,
    });
  }
  const end = endOf(expiresAt);
  return { ...details, user, ...(end === null ? {} : { expiresAt: end }), ...(isAdmin === true ? { isAdmin } : {}) };
}

/** Returns when the credentials expire, in milliseconds since 1970; null for never. */
function endOf(expiresAt: unknown): number | null {
  if (expiresAt === undefined || expiresAt === null) return null;
  const ms = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
  const advice = 'give milliseconds since 1970 or a Date, and null for never';
  if (typeof ms !== 'number' || !Number.isFinite(ms)) throw wrong('expiresAt', ms, advice);
  if (ms < EARLIEST_MS) throw wrong('expiresAt', 'seconds', advice, 'looks like seconds');
  return ms;
}

function wrong(field: string, value: unknown, advice: string, problem = `is ${kindOf(value)}`): ReportedRefusal {
  const named = field === 'the result' ? field : `\`${field}\` of the result`;
  const message = `authenticate returned an invalid result, so the request was refused with 503: ${named} ${problem}; ${advice}.`;
  return new ReportedRefusal(refusals.authenticationUnavailable(), {
    kind: `result ${field}`,
    level: 'error',
    message,
  });
}

/** Describes the type of a value, and never quotes the value. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/**
 * Returns the refusal for an error of `authenticate`. A HandshakeRefusal or an HttpException is used as it is, an error
 * of a token library becomes 401, and any other error 503.
 */
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

/** Errors of jsonwebtoken, and so of @nestjs/jwt. */
const TOKEN_ERRORS = ['JsonWebTokenError', 'TokenExpiredError', 'NotBeforeError'];
/** Errors of jose. Its other codes mean that keys cannot be read, which is not the token's fault. */
const TOKEN_CODES =
  /^ERR_(JW[STE]_.*|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)$/;

/** Returns true if the error says that the token is invalid, false if it says that the token could not be checked. */
function isOfToken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && TOKEN_CODES.test(code)) return true;
  // jsonwebtoken uses the same name when it has no key.
  return TOKEN_ERRORS.includes(error.name) && !error.message.includes('secret or public key');
}

function reported(refusal: HandshakeRefusal, error: unknown, request: IncomingMessage): ReportedRefusal {
  const { name, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : { name: typeof error, code: '' };
  const thrown = error instanceof Error ? error.stack : inspect(error, { depth: 0 });
  return new ReportedRefusal(refusal, {
    kind: `thrown ${name} ${code}`,
    message:
      `authenticate failed, so the request was refused with ${refusal.statusCode}; for an unknown user it has to return null, ` +
      'or throw a HandshakeRefusal or an HttpException.',
    stack: withoutCredentials(String(thrown), request).slice(0, MAX_LOGGED),
  });
}

/** Removes the credentials of the request from a text, since an error may quote them. */
function withoutCredentials(text: string, request: IncomingMessage): string {
  const headers = Object.entries(request.headers)
    .filter(([name]) => name === 'authorization' || name === 'cookie' || name.startsWith('x-'))
    .map(([, value]) => String(value));
  const cookies = request.headers.cookie?.split(/;|=/).map((part) => part.trim()) ?? [];
  return [...headers, ...cookies, ...tokensOf(request), ...queryOf(request).values()]
    .filter((secret) => secret.length >= MIN_SECRET_CHARACTERS)
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}
