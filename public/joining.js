// What the page learns before it connects: how, from the server; and as whom, from a person.

const MAX_NAME_BYTES = 128;
const MAX_TOKEN_CHARACTERS = 8_192;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export const byteLength = (text) => new TextEncoder().encode(text).length;

/**
 * Returns the path of the socket, and whether users are `trusted` or bring a `token`; null when the server does not
 * say.
 */
export async function fetchSettings() {
  try {
    const response = await fetch('settings.json', { signal: AbortSignal.timeout(10_000) });
    return response.ok ? await response.json() : null;
  } catch {
    return null; // The server is not reachable, or is going away.
  }
}

/**
 * Returns the name in the server's spelling, or null when it is not a name. The check is here because the browser does
 * not tell why the server refuses one.
 */
export function readName(raw) {
  const name = raw.trim().normalize('NFC');
  if (name === '' || byteLength(name) > MAX_NAME_BYTES) return null;
  return /[|\uFFFD\p{C}\p{Zl}\p{Zp}]/u.test(name) ? null : name;
}

/** Returns the token as it was issued, without what was copied with it; null when it can't be a token. */
export function readToken(raw) {
  const token = raw.replace(/^\s*Bearer\s/i, '').replace(/\s/g, '');
  return token.length <= MAX_TOKEN_CHARACTERS && TOKEN.test(token) ? token : null;
}
