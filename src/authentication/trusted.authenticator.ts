import { refusals } from '../protocol/handshake-refusal.js';
import type { Authenticator } from './authenticator.js';
import { queryOf, userNamedBy } from './credentials.js';

/**
 * Believes the `?user=NAME` of the address. It proves nothing, so the chat then serves only its own machine, unless the
 * option `insecure` is set.
 */
export const trusted: Authenticator = (request) => {
  const user = userNamedBy(queryOf(request));
  if (user !== null) return { user };
  throw refusals.noUser();
};
