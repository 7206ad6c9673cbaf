import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { ChatOptionsError } from '../options/chat.options.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';
import type { Authenticator } from './authenticator.js';
import { tokensOf } from './credentials.js';
import { checkSetAlgorithm, PUBLISHED_ALGORITHMS, publicKeys, secretKeys, type Keys } from './jwt-keys.js';
import { PublishedKeys } from './published-keys.js';
import { ReportedRefusal } from './reported-refusal.js';

/** How tokens are checked: with exactly one of `secret`, `publicKey` and `jwksUrl`. */
export interface JwtOptions {
  /** The secret of HS256, of at least 32 bytes (HS384: 48, HS512: 64). */
  readonly secret?: string | undefined;
  /** The public key, as PEM: of RSA (2,048 bits or more), of a curve P-256, P-384 or P-521, or of Ed25519. */
  readonly publicKey?: string | undefined;
  /** Where such public keys are published as a JSON Web Key Set: `https:`, or `http:` on this machine. */
  readonly jwksUrl?: string | undefined;
  /**
   * The algorithm of tokens, where the key does not say it. With `secret` it is HS256 (default), HS384 or HS512. With
   * RSA keys it is RS256 (default), RS384, RS512, PS256, PS384 or PS512. A published key that names its algorithm keeps
   * that one.
   */
  readonly algorithm?: string | undefined;
  /** What `iss` has to be. */
  readonly issuer: string;
  /** What `aud` has to be, or contain. */
  readonly audience: string;
  /**
   * The claim that holds the user's name; `sub` by default. Do not use one that users can change: they could become
   * each other.
   */
  readonly userClaim?: string | undefined;
}

/** How far the clocks of issuer and server may be apart. */
const CLOCK_TOLERANCE_SECONDS = 60;
/** A longer token is refused before it is decoded and hashed, so that strangers cannot cause that work. */
const MAX_TOKEN_CHARACTERS = 8_192;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Returns an authenticator that knows users by a JSON Web Token. The token comes in the `Authorization` header, or as
 * the subprotocol `bearer.TOKEN` beside the real one. Its `sub`, or `userClaim`, is the user's name, in which `|`
 * becomes `%7C` and `%` becomes `%25`: many issuers have a `|` in `sub`, which no name can have. `role: "admin"`, or
 * `roles` with "admin" in it, makes an administrator. Throws a ChatOptionsError, which never quotes a key, if the
 * options do not fit.
 */
export function jwt(options: JwtOptions): Authenticator {
  checkTexts(options);
  const { issuer, audience, userClaim = 'sub' } = options;
  const { algorithms, key } = keysOf(options);
  const expected = { algorithms, issuer, audience, clockTolerance: CLOCK_TOLERANCE_SECONDS };
  return async function jwt(request) {
    const [token, ...more] = tokensOf(request);
    if (token === undefined || more.length > 0 || token.length > MAX_TOKEN_CHARACTERS) throw refusals.unauthorized();
    const payload = await verified(token, key, expected).catch((error: unknown) => {
      throw reported(error);
    });
    return {
      user: userOf(payload, userClaim),
      isAdmin: isAdmin(payload),
      claims: payload,
      ...(payload.exp === undefined ? {} : { expiresAt: payload.exp * 1000 }),
    };
  };
}

async function verified(token: string, key: Keys['key'], expected: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, key, expected)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // The token names no key, and several are published, as when keys are rotated.
    for await (const candidate of error) {
      try {
        return (await jwtVerify(token, candidate, expected)).payload;
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Adds a log line to refusals that may be caused by wrong options instead of a bad token. */
function reported(error: unknown): unknown {
  const problem = problemOf(error);
  if (problem === null) return error;
  return new ReportedRefusal(refusals.unauthorized(), {
    kind: `token ${problem}`,
    message: `A token was refused with 401: ${problem}. If its issuer is yours, correct that option.`,
  });
}

function problemOf(error: unknown): string | null {
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return 'its signature does not fit the key in secret, publicKey or jwksUrl (CHAT_JWT_SECRET, CHAT_JWT_PUBLIC_KEY, CHAT_JWKS_URL)';
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not what algorithm (CHAT_JWT_ALGORITHM) says';
  if (!(error instanceof errors.JWTClaimValidationFailed)) return null;
  // The signature is valid, so no stranger wrote these claims.
  if (error.claim === 'iss') return 'its iss is not what issuer (CHAT_JWT_ISSUER) says';
  return error.claim === 'aud' ? 'its aud is not what audience (CHAT_JWT_AUDIENCE) says' : null;
}

/** Returns the user's name. The encoding is unique, so that two claims never become the same name. */
function userOf(payload: JWTPayload, claim: string): string {
  const value = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  const user = typeof value === 'string' ? value.replaceAll('%', '%25').replaceAll('|', '%7C') : undefined;
  if (user !== undefined && parseUserName(user) === user) return user;
  const problem =
    value === undefined ? 'has no' : typeof value === 'string' ? 'has no name in its' : 'has no text in its';
  throw new ReportedRefusal(refusals.unusableName(), {
    kind: 'claim',
    message:
      `A valid token ${problem} claim ${JSON.stringify(claim)}, so it was refused with 403; set userClaim (CHAT_JWT_USER_CLAIM) to a claim ` +
      `with a text that never changes (${USER_NAME_RULE}; no blanks around it, in NFC; "|" counts as %7C).`,
  });
}

function isAdmin({ role, roles }: JWTPayload): boolean {
  return role === 'admin' || (Array.isArray(roles) && roles.includes('admin'));
}

/** Checks that every option is a text without flaws, such as a line break. Only the public key may have lines. */
function checkTexts(options: JwtOptions): void {
  for (const name of ['issuer', 'audience'] as const) {
    if (!options[name]) throw new ChatOptionsError(name, 'is not given', 'give the one that every token has to have');
  }
  for (const name of ['secret', 'publicKey', 'jwksUrl', 'algorithm', 'issuer', 'audience', 'userClaim'] as const) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '') throw new ChatOptionsError(name, 'is not a text', 'give a string');
    const flaw = name === 'publicKey' ? null : flawOf(value);
    if (flaw !== null) throw new ChatOptionsError(name, flaw, FLAW_REMEDY);
  }
}

function keysOf({ secret, publicKey, jwksUrl, algorithm }: JwtOptions): Keys {
  const given = [secret, publicKey, jwksUrl].filter((source) => source !== undefined);
  if (given.length !== 1) {
    throw new ChatOptionsError(
      'secret',
      given.length === 0 ? 'is not given, nor is another source of keys' : 'is not the only source of keys',
      'give exactly one of secret, publicKey and jwksUrl',
    );
  }
  if (secret !== undefined) return secretKeys(secret, algorithm);
  return publicKey !== undefined ? publicKeys(publicKey, algorithm) : publishedKeys(jwksUrl!, algorithm);
}

function publishedKeys(address: string, algorithm: string | undefined): Keys {
  if (!isSafe(address)) {
    throw new ChatOptionsError(
      'jwksUrl',
      'is not a safe address of keys',
      'give one with https:, as over http: anybody on the way could replace the keys',
    );
  }
  checkSetAlgorithm(algorithm);
  return { algorithms: PUBLISHED_ALGORITHMS, key: new PublishedKeys(new URL(address), algorithm).find };
}

/**
 * Whether keys from this address can be trusted. The address is parsed, since in `http://127.0.0.1:80@elsewhere/` the
 * own machine is only a user's name.
 */
function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK_HOST.test(hostname));
}
