import type { JWK, JWTVerifyGetKey } from 'jose';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { ChatOptionsError } from '../options/chat.options.js';

/** With what tokens are checked. */
export interface Keys {
  /** Those of our keys, never the token's choice: a public key must not become the secret of an HS256 token [RFC 8725 3.1]. */
  readonly algorithms: string[];
  readonly key: JWTVerifyGetKey;
}

/** The hash of each has so many bytes, and a secret must have as many [RFC 7518 3.2]. */
const SECRET_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const MIN_RSA_BITS = 2_048; // [RFC 7518 3.3]
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
/** Both names are in use for the one algorithm [RFC 8037, RFC 9864]. */
const ED25519 = ['EdDSA', 'Ed25519'];

export function secretKeys(secret: string, algorithm = 'HS256'): Keys {
  const least = SECRET_BYTES[algorithm];
  if (least === undefined) throw misfit(`is not one of a secret`, `${Object.keys(SECRET_BYTES).join(', ')}`);
  const bytes = Buffer.from(secret);
  if (bytes.length < least) {
    throw new ChatOptionsError('secret', `has ${bytes.length} bytes`, `give at least ${least} random ones`);
  }
  const key = createSecretKey(bytes);
  return { algorithms: [algorithm], key: () => key };
}

export function publicKeys(pem: string, algorithm?: string): Keys {
  const key = readPublicKey(pem);
  const possible = key === null ? [] : algorithmsOf(key);
  if (key === null || possible.length === 0) {
    throw new ChatOptionsError(
      'publicKey',
      'is no key that is taken here',
      `give the public key, as PEM, of RSA with ${MIN_RSA_BITS} bits or more, of a curve P-256, P-384 or P-521, or of Ed25519`,
    );
  }
  return { algorithms: chosen(possible, algorithm), key: () => key };
}

/**
 * The keys of a published set that can check tokens, each bound to one algorithm: the one it names, or else the one of its
 * kind, which of RSA is `algorithm` or RS256. Keys for encryption are passed over; `unusable` counts the others.
 */
export function checkedSet(keys: readonly JWK[], algorithm = 'RS256'): { keys: JWK[]; unusable: number } {
  const usable: JWK[] = [];
  let unusable = 0;
  for (const jwk of keys) {
    const { use = 'sig', key_ops: operations, alg, kty } = jwk;
    if (use !== 'sig' || (Array.isArray(operations) && !operations.includes('verify'))) continue;
    const key = readJwk(jwk);
    const possible = key === null ? [] : algorithmsOf(key);
    const own = alg ?? (kty === 'RSA' ? algorithm : possible[0]);
    if (own === undefined || !possible.includes(own)) unusable += 1;
    // A copy by each name of the algorithm.
    else for (const name of kty === 'RSA' ? [own] : possible) usable.push({ ...jwk, alg: name });
  }
  return { keys: usable, unusable };
}

/** An algorithm that no published key can have stops the start, rather than that every token is refused. */
export function checkSetAlgorithm(algorithm: string | undefined): void {
  if (algorithm !== undefined && !RSA.includes(algorithm)) {
    throw misfit(
      'is not one of RSA, of which alone published keys may not say it',
      `${RSA.join(', ')}, or leave it out`,
    );
  }
}

/** What tokens may be signed with at all, when their keys are published. */
export const PUBLISHED_ALGORITHMS = [...RSA, ...Object.values(CURVES), ...ED25519];

/** All that tokens of this key may be signed with, the usual one first; none for a key that is weak or of another kind. */
function algorithmsOf({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): string[] {
  if (type === 'rsa') return details.modulusLength! >= MIN_RSA_BITS ? RSA : [];
  if (type === 'ed25519') return ED25519;
  const ofCurve = type === 'ec' ? CURVES[details.namedCurve!] : undefined;
  return ofCurve === undefined ? [] : [ofCurve];
}

function chosen(possible: string[], algorithm: string | undefined): string[] {
  if (algorithm === undefined) return possible === ED25519 ? ED25519 : [possible[0]!];
  if (!possible.includes(algorithm)) throw misfit('is not one of this key', possible.join(', '));
  return possible === ED25519 ? ED25519 : [algorithm];
}

function misfit(problem: string, known: string): ChatOptionsError {
  return new ChatOptionsError('algorithm', problem, `give one of ${known}`);
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

function readJwk(jwk: JWK): KeyObject | null {
  if (jwk.d !== undefined) return null; // Everybody knows this private key, and could sign with it.
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return null; // Of another kind, or broken: it is counted.
  }
}
