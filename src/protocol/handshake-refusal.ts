import { HANDSHAKE_REFUSALS } from './handshake-code.js';

type Headers = Readonly<Record<string, string>>;

/** A valid name of a header [RFC 9110 5.6.2]. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** Characters that the value of a header cannot have [RFC 9110 5.5]. */
const NOT_IN_A_HEADER = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * A refusal by HTTP, before the upgrade or of a REST call: a response with the body `{ statusCode, code, message }`.
 * The constructor throws an Error if the status is not from 400 to 599, or if a header cannot be sent.
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
      throw new RangeError('The status of a HandshakeRefusal is not one that refuses; give one from 400 to 599.');
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

/** Every refusal that the chat makes. The message says what happened and what to do, and never quotes the request. */
export const refusals = {
  noUser: () => refusal('NO_USER', 'the address does not name a user; connect to …?user=NAME'),

  badUser: (explanation: string) =>
    refusal('BAD_USER', `${explanation}; connect to …?user=NAME with one such name, percent-encoded`),

  unknownSubprotocol: (known: readonly string[]) =>
    refusal(
      'UNKNOWN_SUBPROTOCOL',
      `the server supports none of the offered subprotocols; offer one of ${known.join(', ')}, or none`,
    ),

  badHandshake: (problem: string) => refusal('BAD_HANDSHAKE', `${problem}; use a WebSocket client`),

  notHttp1: () =>
    refusal('BAD_HANDSHAKE', 'this is not a request of HTTP/1.1; use a WebSocket client', { Connection: 'close' }),

  /** The same for missing, invalid and expired credentials, so that guessing reveals nothing. */
  unauthorized: () =>
    refusal('UNAUTHORIZED', 'valid credentials are needed; get new ones and try again', CREDENTIALS_NEEDED),

  otherUser: () => refusal('FORBIDDEN', 'the address names another user than the credentials; leave "user" out of it'),

  ownMachineOnly: () =>
    refusal(
      'FORBIDDEN',
      "without authentication only clients on the server's own machine may connect; its operator can set up authentication",
    ),

  ticketOfOther: () => refusal('FORBIDDEN', 'a ticket is for the user of the credentials; leave "user" out'),

  administratorsOnly: () => refusal('FORBIDDEN', 'this is for administrators'),

  /** For a proven name that cannot be a user name. It is not 401: new credentials would have the same name. */
  unusableName: () =>
    refusal(
      'UNUSABLE_NAME',
      "the credentials are valid, but the name in them cannot be a user name; the server's operator has to say where the name is",
    ),

  originNotAllowed: () => refusal('ORIGIN_NOT_ALLOWED', 'pages of this origin may not connect here'),

  hostNotAllowed: () =>
    refusal(
      'HOST_NOT_ALLOWED',
      'without authentication only requests for localhost are served; ask for http://localhost, or have the operator name this host in allowedHosts',
    ),

  notGet: () => refusal('NOT_GET', 'a WebSocket is opened with GET', { Allow: 'GET' }),

  noProxy: () => refusal('NOT_GET', 'this is not a proxy; a WebSocket is opened with GET', { Allow: 'GET' }),

  badVersion: () =>
    refusal('BAD_VERSION', 'the server supports only version 13 of WebSocket', {
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
    }),

  upgradeRequired: () =>
    refusal(
      'UPGRADE_REQUIRED',
      'this is the path of the WebSocket; connect to it with ws://…?user=NAME, or with a token',
      { Upgrade: 'websocket' },
    ),

  requestTimeout: () => refusal('REQUEST_TIMEOUT', 'the request took too long; send it at once'),

  headersTooLong: () => refusal('HEADERS_TOO_LONG', 'the headers are longer than 16 KiB, or too many; send less'),

  tooManyConnections: (of: 'address' | 'user') =>
    refusal(
      'TOO_MANY_CONNECTIONS',
      `${of === 'address' ? 'your address has' : 'this user has'} too many connections; close one first`,
      AGAIN_SOON,
    ),

  tooManyTakeOvers: (waitMs: number) =>
    refusal(
      'TOO_MANY_TAKE_OVERS',
      'connections of this user replace each other too often; close the others, or come back later',
      retryAfter(Math.ceil(waitMs / 1000)),
    ),

  serverError: () => refusal('SERVER_ERROR', 'the server failed; try again later'),

  /**
   * For credentials that cannot be checked. It is not 401: a client would throw away a valid token and ask its user to
   * sign in again because of a fault of the server that passes.
   */
  authenticationUnavailable: (seconds = 5) =>
    refusal(
      'AUTHENTICATION_UNAVAILABLE',
      'the credentials cannot be checked at the moment; try again in a few seconds',
      retryAfter(seconds),
    ),

  serverBusy: (seconds: number) =>
    refusal('SERVER_BUSY', 'too many clients connect at once; try again in a few seconds', retryAfter(seconds)),

  serverFull: () => refusal('SERVER_FULL', 'the server has as many connections as it may; try again later', AGAIN_SOON),

  goingAway: () => refusal('GOING_AWAY', 'the server is going away; connect again in a few seconds', AGAIN_SOON),

  // Not for handshakes at the path of the chat.

  noSuchPath: () => new HandshakeRefusal(404, 'NO_SUCH_PATH', 'nothing is served here'),

  unreadableRequest: () =>
    new HandshakeRefusal(400, 'BAD_REQUEST', 'the request cannot be read; check its address and its body'),

  tooManyTickets: (of: 'user' | 'all', waitMs: number) => {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    return new HandshakeRefusal(
      of === 'user' ? 429 : 503,
      'TOO_MANY_TICKETS',
      `too many tickets ${of === 'user' ? 'of this user' : 'of all users'} wait to be used; use them, or ask again in ${seconds} seconds`,
      retryAfter(seconds),
    );
  },

  /** For an HttpException that the application threw. */
  ofApplication: (status: number, code: string, message: string) =>
    new HandshakeRefusal(status, code, message, status === 401 ? CREDENTIALS_NEEDED : {}),
} as const;

const CREDENTIALS_NEEDED: Headers = { 'WWW-Authenticate': 'Bearer' };
const AGAIN_SOON = retryAfter(5);

function retryAfter(seconds: number): Headers {
  return { 'Retry-After': String(seconds) };
}

function refusal(code: keyof typeof HANDSHAKE_REFUSALS, message: string, headers?: Headers): HandshakeRefusal {
  return new HandshakeRefusal(HANDSHAKE_REFUSALS[code].status, code, message, headers);
}
