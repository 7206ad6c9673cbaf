/** When a JSON Web Token expires, in milliseconds since 1970; null when it does not say, or is no such token. */
export function expiryOf(token: string): number | null {
  try {
    const claims = atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'));
    const { exp } = JSON.parse(claims) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1_000 : null;
  } catch {
    return null; // It may be any other kind of token.
  }
}
