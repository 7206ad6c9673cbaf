import type { JWK, JWTVerifyGetKey } from 'jose';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { ChatOptionsError } from '../options/chat.options.js';

/** The keys that check tokens, and the algorithms that are allowed. */
export interface Keys {
  /**
   * The algorithms of our keys. The token must not choose: with HS256 it could use a public key as the secret [RFC 8725
   * 3.1].
   */
  readonly algorithms: string[];
  readonly key: JWTVerifyGetKey;
}

/** Length of the hash of each algorithm, in bytes. The secret has to be at least as long [RFC 7518 3.2]. */
const SECRET_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const MIN_RSA_BITS = 2_048; // [RFC 7518 3.3]
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
/** Two names of the same algorithm [RFC 8037, RFC 9864]. */
const ED25519 = ['EdDSA', 'Ed25519'];

export function secretKeys(secret: string, algorithm = 'HS256'): Keys {
  const least = SECRET_BYTES[algorithm];
  if (least === undefined) throw misfit(`does not fit a secret`, `${Object.keys(SECRET_BYTES).join(', ')}`);
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
      'is not a key that can be used here',
      `give the public key, as PEM, of RSA with ${MIN_RSA_BITS} bits or more, of a curve P-256, P-384 or P-521, or of Ed25519`,
    );
  }
  return { algorithms: chosen(possible, algorithm), key: () => key };
}

/**
 * Returns the keys of a published set that can check tokens, each bound to one algorithm. That is the algorithm which
 * the key names. Otherwise it follows from the type of the key; for RSA it is `algorithm`, or RS256. Keys for
 * encryption are ignored. `unusable` counts the other keys that cannot be used.
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
    // One copy for each name of the algorithm.
    else for (const name of kty === 'RSA' ? [own] : possible) usable.push({ ...jwk, alg: name });
  }
  return { keys: usable, unusable };
}

/**
 * Throws a ChatOptionsError for an algorithm that no published key can have. Otherwise every token would be refused.
 */
export function checkSetAlgorithm(algorithm: string | undefined): void {
  if (algorithm !== undefined && !RSA.includes(algorithm)) {
    throw misfit(
      'is not an algorithm of RSA, the only keys that may be published without one',
      `${RSA.join(', ')}, or leave it out`,
    );
  }
}

/** The algorithms that are allowed when keys are published. */
export const PUBLISHED_ALGORITHMS = [...RSA, ...Object.values(CURVES), ...ED25519];

/**
 * Returns the algorithms that this key can check, the usual one first; none if the key is too weak or of another type.
 */
function algorithmsOf({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): string[] {
  if (type === 'rsa') return details.modulusLength! >= MIN_RSA_BITS ? RSA : [];
  if (type === 'ed25519') return ED25519;
  const ofCurve = type === 'ec' ? CURVES[details.namedCurve!] : undefined;
  return ofCurve === undefined ? [] : [ofCurve];
}

function chosen(possible: string[], algorithm: string | undefined): string[] {
  if (algorithm === undefined) return possible === ED25519 ? ED25519 : [possible[0]!];
  if (!possible.includes(algorithm)) throw misfit('does not fit this key', possible.join(', '));
  return possible === ED25519 ? ED25519 : [algorithm];
}

function misfit(problem: string, known: string): ChatOptionsError {
  return new ChatOptionsError('algorithm', problem, `give one of ${known}`);
}

function readPublicKey(pem: string): KeyObject | null {
  // Node would derive the public key from a private one, which should not be on this server.
  if (pem.includes('PRIVATE KEY')) return null;
  try {
    return createPublicKey(pem);
  } catch {
    return null; // The caller says what to give. The cause could quote the key.
  }
}

function readJwk(jwk: JWK): KeyObject | null {
  if (jwk.d !== undefined) return null; // The private key is published too, so anybody could sign with it.
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return null; // Not a key that Node can read: it is counted as unusable.
  }
}
