import { Logger } from '@nestjs/common';
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { ChatOptionsError } from '../options/chat.options.js';
import type { Authenticator } from './authenticator.js';
import { tokensOf } from './credentials.js';
import { unauthorized, unavailable } from './refusal.js';

/** How tokens are checked: with exactly one of `secret`, `publicKey` and `jwksUrl`. */
export interface JwtOptions {
  /** The secret of HS256, of at least 32 bytes. */
  readonly secret?: string | undefined;
  /** The public key of RS256 (2,048 bits or more) or ES256 (P-256), as PEM. */
  readonly publicKey?: string | undefined;
  /** Where the public keys of RS256 and ES256 are published as a JSON Web Key Set: `https:`, or `http:` on this machine. */
  readonly jwksUrl?: string | undefined;
  /** What `iss` has to be. */
  readonly issuer: string;
  /** What `aud` has to be, or contain. */
  readonly audience: string;
}

/** A hash of HS256 has 32 bytes, and a key must have as many [RFC 7518 3.2]. */
const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048; // [RFC 7518 3.3]
/** How far the clocks of issuer and server may be apart. */
const CLOCK_TOLERANCE_SECONDS = 60;
/** A longer token is refused unread: no stranger has us decode and hash what he likes. */
const MAX_TOKEN_CHARACTERS = 8_192;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

interface Keys {
  /** Given by us, never by the token: a public key must not become the secret of an HS256 token [RFC 8725 3.1]. */
  readonly algorithms: string[];
  readonly key: JWTVerifyGetKey;
}

/**
 * Knows users by a JSON Web Token whose `sub` is the user's name: from the `Authorization` header, or as the subprotocol
 * `bearer.TOKEN` beside the real one. `role: "admin"`, or `roles` with "admin" in it, makes an administrator. Throws a
 * ChatOptionsError when the options do not fit; it never repeats a key.
 */
export function jwt(options: JwtOptions): Authenticator {
  for (const name of ['issuer', 'audience'] as const) {
    if (!options[name]) throw new ChatOptionsError(name, 'is not given', 'give the one that every token has to have');
  }
  const { issuer, audience } = options;
  const { algorithms, key } = keysOf(options);
  return async (request) => {
    const [token, ...more] = tokensOf(request);
    if (token === undefined || more.length > 0 || token.length > MAX_TOKEN_CHARACTERS) throw unauthorized();
    const { payload } = await jwtVerify(token, key, {
      algorithms,
      issuer,
      audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    if (payload.sub === undefined) throw unauthorized();
    return {
      user: payload.sub,
      isAdmin: isAdmin(payload),
      claims: payload,
      ...(payload.exp === undefined ? {} : { expiresAt: payload.exp * 1000 }),
    };
  };
}

function isAdmin({ role, roles }: JWTPayload): boolean {
  return role === 'admin' || (Array.isArray(roles) && roles.includes('admin'));
}

function keysOf({ secret, publicKey, jwksUrl }: JwtOptions): Keys {
  const given = [secret, publicKey, jwksUrl].filter((source) => source !== undefined);
  if (given.length !== 1) {
    throw new ChatOptionsError(
      'secret',
      given.length === 0 ? 'is not given, nor is another source of keys' : 'is not the only source of keys',
      'give exactly one of secret, publicKey and jwksUrl',
    );
  }
  if (secret !== undefined) return secretKeys(secret);
  return publicKey !== undefined ? publicKeys(publicKey) : publishedKeys(jwksUrl!);
}

function secretKeys(secret: string): Keys {
  const bytes = Buffer.from(secret);
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new ChatOptionsError('secret', `has ${bytes.length} bytes`, `give at least ${MIN_SECRET_BYTES} random ones`);
  }
  const key = createSecretKey(bytes);
  return { algorithms: ['HS256'], key: () => key };
}

function publicKeys(pem: string): Keys {
  const key = readPublicKey(pem);
  const { modulusLength = 0, namedCurve } = key?.asymmetricKeyDetails ?? {};
  if (key?.asymmetricKeyType === 'rsa' && modulusLength >= MIN_RSA_BITS)
    return { algorithms: ['RS256'], key: () => key };
  if (key?.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return { algorithms: ['ES256'], key: () => key };
  throw new ChatOptionsError(
    'publicKey',
    'is no key that is taken here',
    `give the public key, as PEM, of RSA with ${MIN_RSA_BITS} bits or more or of the curve P-256`,
  );
}

function readPublicKey(pem: string): KeyObject | null {
  // Node would make the public key of a private one, which has no business on this server.
  if (pem.includes('PRIVATE KEY')) return null;
  try {
    return createPublicKey(pem);
  } catch {
    return null; // The caller says what to give; the cause could quote the key.
  }
}

/** Asked of the parsed address: in `http://127.0.0.1:80@elsewhere/` the own machine is only a user's name. */
function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK_HOST.test(hostname));
}

function publishedKeys(address: string): Keys {
  if (!isSafe(address)) {
    throw new ChatOptionsError(
      'jwksUrl',
      'is no address of keys that is safe',
      'give one of https:, as over http: anybody on the way could give his own keys',
    );
  }
  const logger = new Logger('Authentication');
  const published = createRemoteJWKSet(new URL(address));
  let reachable = true;
  const key: JWTVerifyGetKey = async (header, token) => {
    try {
      const found = await published(header, token);
      reachable = true;
      return found;
    } catch (error) {
      // No such key: that is the token's fault. All else is the address's, or the network's.
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (reachable) logger.error(`The published keys can't be read, so nobody can be authenticated: ${String(error)}`);
      reachable = false; // Once an outage: strangers could fill the log.
      throw unavailable();
    }
  };
  return { algorithms: ['RS256', 'ES256'], key };
}
