import { ChatError, ERROR_CODES } from '../protocol/chat-error.js';
import type { ErrorCode, QuotaScope } from '../protocol/wire.js';
import type { WireRefusal } from './frames.js';

/** Returns a refusal as it goes over a link. The cause stays in the log of its node. */
export function refusalOf({ code, message, scope }: ChatError): WireRefusal {
  return scope === undefined ? { code, message } : { code, message, scope };
}

/** Returns a refusal that came over a link. A code of a later version counts as STORE_UNAVAILABLE, which is temporary. */
export function errorOf({ code, message, scope }: WireRefusal): ChatError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'STORE_UNAVAILABLE';
  return new ChatError(known, message, scope === undefined ? {} : { scope: scope as QuotaScope });
}
