import { errors } from './chat-error.js';
import { checkName } from './send-request.js';

/** A signal that somebody asks to send: a connection, or the application. */
export interface SignalRequest {
  /** The sender's user name. */
  readonly from: string;
  /** The recipient's user name. */
  readonly to: string;
  /** What it says, such as `composing`: 1 to 32 of `A-Z a-z 0-9 _ -`. */
  readonly kind: string;
  /** More about it: a value of JSON, of up to 1,024 bytes as text. */
  readonly data?: unknown;
}

/** A signal, checked [protocol 4.5]. */
export interface Signal {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  /** The data as it is written: text of JSON; undefined when there is none. */
  readonly data: string | undefined;
}

/** What the kind of a signal is. */
export const SIGNAL_KIND = /^[A-Za-z0-9_-]{1,32}$/;

const MAX_DATA_BYTES = 1_024;

/**
 * Returns a signal with the recipient in its only spelling; throws a ChatError that names the first field that is not
 * valid. `from` is a valid name already.
 */
export function checkSignal(written: Readonly<Partial<Record<keyof SignalRequest, unknown>>>, from: string): Signal {
  const { kind, data } = written;
  if (typeof kind !== 'string' || !SIGNAL_KIND.test(kind)) {
    throw errors.badField('kind', 'has to be 1 to 32 of A-Z a-z 0-9 _ -');
  }
  return { from, to: checkName(written.to, 'to'), kind, data: data === undefined ? undefined : checkData(data) };
}

function checkData(data: unknown): string {
  const text = jsonOf(data);
  if (text !== undefined && Buffer.byteLength(text) <= MAX_DATA_BYTES) return text;
  throw errors.badField('data', `has to be a value of JSON, of up to ${MAX_DATA_BYTES} bytes`);
}

/** Returns a value as JSON; undefined for what JSON cannot write. */
function jsonOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data) as string | undefined; // A function of the application has no JSON.
  } catch {
    return undefined; // Thousands of levels deep; or, of the application, a circle or a bigint.
  }
}
