import { ChatOptionsError } from '../options/chat.options.js';
import type { Authenticator } from './authenticator.js';
import { trusted } from './trusted.authenticator.js';

/** Who may connect, and who may administrate. */
export class AuthenticationOptions {
  /** Says who makes a request: `trusted`, `jwt({ … })`, or a function of yours. @default trusted */
  authenticate: Authenticator = trusted;

  /**
   * The administrator's bearer token for the REST calls, 16 characters or more. Without a token only users with
   * `isAdmin` may make these calls. With `trusted`, where nobody has `isAdmin`, everybody on the server's own machine
   * may.
   * @default null
   */
  adminToken: string | null = null;

  /**
   * Serve other machines although nobody proves who they are. This concerns `trusted` users, and REST calls without an
   * administrator.
   * @default false
   */
  insecure = false;
}

/** The injection token of the checked authentication options. */
export const AUTHENTICATION_OPTIONS = Symbol.for('holdfast:authentication-options');

/** Visible ASCII without blanks, which the header cannot carry. */
const ADMIN_TOKEN = /^[\x21-\x7e]{16,}$/;

/** Fills in the defaults and checks every value. Throws a ChatOptionsError, which never quotes a token. */
export function resolveAuthenticationOptions(
  given: Partial<AuthenticationOptions> = {},
): Readonly<AuthenticationOptions> {
  const options = new AuthenticationOptions();
  const { authenticate = options.authenticate, adminToken = null, insecure = false } = given;
  if (typeof authenticate !== 'function') {
    throw new ChatOptionsError('authenticate', 'is not a function', 'give trusted, jwt({ … }) or a function of yours');
  }
  if (adminToken !== null && !(typeof adminToken === 'string' && ADMIN_TOKEN.test(adminToken))) {
    throw new ChatOptionsError(
      'adminToken',
      'is too short, or has other characters than visible ASCII',
      'give 16 or more of them, at random',
    );
  }
  if (typeof insecure !== 'boolean') throw new ChatOptionsError('insecure', 'is not a boolean', 'give true or false');
  return Object.freeze(Object.assign(options, { authenticate, adminToken, insecure }));
}
