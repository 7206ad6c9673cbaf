/**
 * Why a request at the path of the chat is refused before the upgrade. An authenticator of the application may use
 * codes of its own. docs/errors.md is written from this table.
 */
export const HANDSHAKE_REFUSALS = {
  NO_USER: { status: 400, meaning: 'The address does not name a user: connect to `…?user=NAME`.' },
  BAD_USER: {
    status: 400,
    meaning:
      'The user name is not valid, or there is more than one; the message names the character that is not allowed. ' +
      'Percent-encode names: `+` is a blank.',
  },
  UNKNOWN_SUBPROTOCOL: { status: 400, meaning: 'The server supports none of the offered subprotocols.' },
  BAD_HANDSHAKE: { status: 400, meaning: 'Not a handshake of RFC 6455; the message says what is wrong.' },
  UNAUTHORIZED: {
    status: 401,
    meaning:
      'There are no credentials, or they are not valid. The body is always the same, with ' +
      '`WWW-Authenticate: Bearer`. Get new ones. Also of REST calls.',
  },
  FORBIDDEN: {
    status: 403,
    meaning:
      'The credentials are valid, but not for this: `?user=` names somebody else, the call is for administrators, or, ' +
      'without authentication, the request came from another machine. Also of REST calls.',
  },
  UNUSABLE_NAME: {
    status: 403,
    meaning:
      'The credentials are valid, but the name in them cannot be a user name: it is not text, too long, has blanks ' +
      'around it, or is not in NFC. New credentials would not help: the operator has to say where the name is ' +
      '(`userClaim`); a line in the log says why. Also of REST calls.',
  },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    meaning:
      "The page's origin is not among `allowedOrigins`. If they are not given, the page is of another host; with " +
      '`trusted`, any page may connect then.',
  },
  HOST_NOT_ALLOWED: {
    status: 403,
    meaning:
      'Without authentication: the request asks for a host that is not the own machine. Ask for `localhost`, or have ' +
      'the operator name the host in `allowedHosts`. Also of REST calls, and of everything but `/health` of the ' +
      'standalone server.',
  },
  NOT_GET: { status: 405, meaning: 'A WebSocket is opened with GET.' },
  REQUEST_TIMEOUT: {
    status: 408,
    meaning:
      'The request headers took longer than `handshakeMs`, or the whole request longer than 30 s. Only of the ' +
      'standalone server.',
  },
  BAD_VERSION: { status: 426, meaning: 'The server supports only version 13 of WebSocket.' },
  UPGRADE_REQUIRED: {
    status: 426,
    meaning:
      'Plain HTTP at the path of the socket. After a `GET`: a handshake with this query and these headers is good.',
  },
  TOO_MANY_CONNECTIONS: {
    status: 429,
    meaning:
      'More than `connectionsPerAddress` (an IPv6 address counts by its /64), or more than `connectionsPerUser` that ' +
      'all reply to a ping within 1 s. Try again after `Retry-After`.',
  },
  TOO_MANY_TAKE_OVERS: {
    status: 429,
    meaning:
      'Under `replace`, connections of this user replaced each other five times within 10 s: two clients have the same ' +
      'name. Close the others, or come back after `Retry-After`.',
  },
  HEADERS_TOO_LONG: {
    status: 431,
    meaning:
      'The headers, with the token, are longer than 16 KiB, or (from Node 22 on) too many. Only of the standalone ' +
      'server; others reply without a body.',
  },
  SERVER_ERROR: { status: 500, meaning: 'The server failed. Try again later.' },
  AUTHENTICATION_UNAVAILABLE: {
    status: 503,
    meaning:
      'The credentials cannot be checked: the authenticator failed, returned something invalid or took longer than ' +
      '`handshakeMs`; or the published keys cannot be read, or may have a new one that is not known yet. Keep the ' +
      'credentials and try again after `Retry-After`. The log says why. Also of REST calls.',
  },
  SERVER_BUSY: {
    status: 503,
    meaning:
      'Too many clients connect at once: this one waited longer than 5 s, or would have to. Try again after ' +
      '`Retry-After`, a random 1 to 5 s.',
  },
  SERVER_FULL: {
    status: 503,
    meaning: '`maxConnections` is reached, counting handshakes that are under way. Try again after `Retry-After`.',
  },
  GOING_AWAY: { status: 503, meaning: 'The server is shutting down. Come back after `Retry-After`.' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly meaning: string }>>;

/** The codes of the table. */
export const HANDSHAKE_CODES = Object.keys(HANDSHAKE_REFUSALS);
