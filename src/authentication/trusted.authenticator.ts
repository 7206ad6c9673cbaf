import { refusals } from '../protocol/handshake-refusal.js';
import type { Authenticator } from './authenticator.js';
import { queryOf, userNamedBy } from './credentials.js';

/**
 * Believes what the address says: `?user=NAME`. It proves nothing, so the chat then serves nobody but its own machine,
 * unless the option `insecure` says otherwise.
 */
export const trusted: Authenticator = (request) => {
  const user = userNamedBy(queryOf(request));
  if (user !== null) return { user };
  throw refusals.noUser();
};
