import { readName, type ReadName } from './names.js';
import { TOKEN_TEXTS } from './texts.js';

const MAX_TOKEN_CHARACTERS = 8_192;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** What this page reads in a token. Nothing of it is believed: only the server can check a signature. */
interface Claims {
  readonly exp?: number;
  readonly nbf?: number;
  readonly iss?: string;
  readonly aud?: string;
  /** The user's name, as the server spells it. */
  readonly user: string | null;
}

/** Returns the token as it was issued, without what was copied with it; null when it can't be a token. */
export function readToken(raw: string): string | null {
  const token = raw.replace(/^\s*Bearer\s/i, '').replace(/\s/g, '');
  return token.length <= MAX_TOKEN_CHARACTERS && TOKEN.test(token) ? token : null;
}

/** What is in a token: whose it is, or why nobody can be known by it. */
export function readUser(token: string, userClaim: string): ReadName {
  const claims = claimsOf(token, userClaim);
  if (claims === null) return { name: null, problem: TOKEN_TEXTS.unreadable };
  if (claims.user === null) return { name: null, problem: TOKEN_TEXTS.noUser(userClaim) };
  const { name, problem } = readName(claims.user);
  return name === claims.user
    ? { name, problem: null }
    : { name: null, problem: TOKEN_TEXTS.badUser(userClaim, problem) };
}

/** When a token expires, in milliseconds since 1970; null when it does not say. */
export function expiryOf(token: string): number | null {
  const exp = claimsOf(token, 'sub')?.exp;
  return exp === undefined ? null : exp * 1_000;
}

/** Says what is wrong with a token that the server has refused, as far as that can be read in it. */
export function explainRefused(token: string, now: number): string {
  const claims = claimsOf(token, 'sub');
  if (claims === null) return TOKEN_TEXTS.unreadable;
  const { exp, nbf, iss, aud } = claims;
  if (exp !== undefined && exp * 1_000 <= now) return TOKEN_TEXTS.ended(now - exp * 1_000, exp * 1_000);
  if (nbf !== undefined && nbf * 1_000 > now) return TOKEN_TEXTS.notYet(nbf * 1_000 - now, nbf * 1_000);
  return TOKEN_TEXTS.refused(iss ?? TOKEN_TEXTS.noClaim, aud ?? TOKEN_TEXTS.noClaim);
}

/** Returns the claims with the types that they should have; null when the token has none that can be read. */
function claimsOf(token: string, userClaim: string): Claims | null {
  try {
    const base64 = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== 'object' || claims === null) return null;
    const { exp, nbf, iss, aud, [userClaim]: user } = claims as Record<string, unknown>;
    return {
      // No name can have a "|", which many issuers write [protocol 8.1].
      user: typeof user === 'string' ? user.replaceAll('%', '%25').replaceAll('|', '%7C') : null,
      ...(typeof exp === 'number' && { exp }),
      ...(typeof nbf === 'number' && { nbf }),
      ...(typeof iss === 'string' && { iss }),
      ...((typeof aud === 'string' || Array.isArray(aud)) && { aud: String(aud) }),
    };
  } catch {
    return null; // The middle part is not JSON: it was cut, or is encrypted.
  }
}
