/** Why a handshake is refused at the path of the chat; an authenticator of the application may have reasons of its own. */
export const HANDSHAKE_CODES = [
  'NO_USER',
  'BAD_USER',
  'UNKNOWN_SUBPROTOCOL',
  'BAD_HANDSHAKE',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'ORIGIN_NOT_ALLOWED',
  'NOT_GET',
  'BAD_VERSION',
  'UPGRADE_REQUIRED',
  'TOO_MANY_CONNECTIONS',
  'SERVER_ERROR',
  'AUTHENTICATION_UNAVAILABLE',
  'SERVER_BUSY',
  'SERVER_FULL',
  'GOING_AWAY',
] as const;
