/** [RFC 9110 5.6.2] */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** What the value of a header can't have [RFC 9110 5.5]. */
const NOT_IN_A_HEADER = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * A refusal in HTTP, before the upgrade or of a REST call: an answer with the body `{ statusCode, code, message }`. The
 * status is one from 400 to 599; another one, or a header that can't be sent, throws an Error.
 */
export class HandshakeRefusal extends Error {
  override readonly name: string = 'HandshakeRefusal';

  constructor(
    readonly statusCode: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    if (!isRefusalStatus(statusCode)) {
      throw new RangeError('The status of a HandshakeRefusal is none of HTTP that refuses; give one from 400 to 599.');
    }
    for (const [header, value] of Object.entries(headers)) {
      if (!HEADER_NAME.test(header)) throw new TypeError('The name of a header has to be a valid HTTP token.');
      if (NOT_IN_A_HEADER.test(value)) throw new TypeError(`Invalid character in the header ${header}.`);
    }
  }
}

/** Whether a status of HTTP refuses. */
export function isRefusalStatus(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
}

/** What the operator is told of a refusal. */
export interface Complaint {
  /** One line of a kind is written a minute. */
  readonly kind: string;
  /** What is wrong and what to do; it names claims, fields and options, and never a value of a client's. */
  readonly message: string;
  readonly level?: 'warn' | 'error';
  readonly stack?: string | undefined;
}

/** A refusal for which the operator is to be told as well, since the client can't mend it. */
export class ReportedRefusal extends HandshakeRefusal {
  override readonly name = 'ReportedRefusal';

  constructor(
    { statusCode, code, message, headers }: HandshakeRefusal,
    /** For the log. */
    readonly complaint: Complaint,
  ) {
    super(statusCode, code, message, headers);
  }
}

/** The one answer to no, bad and spent credentials: whoever guesses learns nothing from it. */
export function unauthorized(): HandshakeRefusal {
  return new HandshakeRefusal(401, 'UNAUTHORIZED', 'valid credentials are needed; get new ones and try again', {
    'WWW-Authenticate': 'Bearer',
  });
}

/** The answer to somebody who is known, and may not do this. */
export function forbidden(message: string): HandshakeRefusal {
  return new HandshakeRefusal(403, 'FORBIDDEN', message);
}

/** The answer to somebody who has proved a name that nobody can have here. It is not 401: new credentials would say the same. */
export function unusableName(): HandshakeRefusal {
  return new HandshakeRefusal(
    403,
    'UNUSABLE_NAME',
    "the credentials are good, but hold no name that a user can have here; the server's operator has to say where to find one",
  );
}

/**
 * The answer when nobody can tell whether the credentials are good. It is not 401: a client would throw away a good token
 * and send its user to sign in again, for a fault that is ours and passes.
 */
export function unavailable(retryAfterSeconds = 5): HandshakeRefusal {
  return new HandshakeRefusal(
    503,
    'AUTHENTICATION_UNAVAILABLE',
    'the credentials cannot be checked at the moment; try again in a few seconds',
    { 'Retry-After': String(retryAfterSeconds) },
  );
}
