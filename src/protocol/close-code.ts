/**
 * Why the server ends a connection. A client reconnects after GOING_AWAY, SERVER_ERROR, NO_PONG and TOO_MANY_FRAMES; it stops after
 * PROTOCOL_ERROR, ADMINISTRATOR and REPLACED; after EXPIRED it gets new credentials first [protocol 5].
 */
export const CloseCode = {
  /** The server is going away: reconnect in the seconds that the reason says [protocol 9]. */
  GOING_AWAY: 1001,
  /** A binary frame that is not UTF-8: do not send the same frame again. */
  BAD_UTF8: 1007,
  /** A fault of ours: reconnect with backoff. */
  SERVER_ERROR: 1011,
  /** An ack above the last `seq` sent: stop. */
  PROTOCOL_ERROR: 4400,
  /** What the user proved is over: reconnect with new credentials. */
  EXPIRED: 4401,
  /** Disconnected by an administrator: stop. */
  ADMINISTRATOR: 4403,
  /** No pong within the heartbeat: reconnect. */
  NO_PONG: 4408,
  /** Replaced by a newer connection of the same user: stop. */
  REPLACED: 4409,
  /** Too many frames, again and again: reconnect with backoff. */
  TOO_MANY_FRAMES: 4429,
} as const;
