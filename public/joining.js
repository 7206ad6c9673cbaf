// What the page learns before it connects: from the server, how; from a person, who.

const MAX_NAME_BYTES = 128;
const MAX_TOKEN_CHARACTERS = 8_192;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export const byteLength = (text) => new TextEncoder().encode(text).length;

/** The path of the socket, and whether users are `trusted` or bring a `token`; null when the server does not tell. */
export async function fetchSettings() {
  try {
    const response = await fetch('settings.json', { signal: AbortSignal.timeout(10_000) });
    return response.ok ? await response.json() : null;
  } catch {
    return null; // It is not there, or going away.
  }
}

/** The name in the server's spelling, or null when it is not one: the browser could not tell why the server refuses it. */
export function readName(raw) {
  const name = raw.trim().normalize('NFC');
  if (name === '' || byteLength(name) > MAX_NAME_BYTES) return null;
  return /[|\uFFFD\p{C}\p{Zl}\p{Zp}]/u.test(name) ? null : name;
}

/** The token as it was issued, out of what was copied with it; null when it can be none. */
export function readToken(raw) {
  const token = raw.replace(/^\s*Bearer\s/i, '').replace(/\s/g, '');
  return token.length <= MAX_TOKEN_CHARACTERS && TOKEN.test(token) ? token : null;
}
