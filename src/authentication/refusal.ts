/** A refusal in HTTP, before the upgrade or of a REST call: an answer with the body `{ statusCode, code, message }`. */
export class HandshakeRefusal extends Error {
  override readonly name = 'HandshakeRefusal';

  constructor(
    readonly statusCode: 400 | 401 | 403 | 404 | 405 | 408 | 426 | 429 | 431 | 503,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
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

/**
 * The answer when nobody can tell whether the credentials are good. It is not 401: a client would throw away a good token
 * and send its user to sign in again, for a fault that is ours and passes.
 */
export function unavailable(): HandshakeRefusal {
  return new HandshakeRefusal(
    503,
    'AUTHENTICATION_UNAVAILABLE',
    'the credentials cannot be checked at the moment; try again in a few seconds',
    { 'Retry-After': '5' },
  );
}
