/**
 * Why the server ends a connection. A client reconnects after GOING_AWAY, SERVER_ERROR, SLOW_CONSUMER, NO_PONG and
 * TOO_MANY_FRAMES; it stops after PROTOCOL_ERROR, ADMINISTRATOR and REPLACED; after EXPIRED it gets new credentials first
 * [protocol 5].
 */
export const CloseCode = {
  /** The server is going away: reconnect in the seconds that the reason says [protocol 9]. */
  GOING_AWAY: 1001,
  /** A binary frame that is not UTF-8: do not send the same frame again. */
  BAD_UTF8: 1007,
  /** A fault of ours: reconnect with backoff. */
  SERVER_ERROR: 1011,
  /** The client does not read, and too much waits for it, or it sends too much and answers no ping: reconnect with backoff. */
  SLOW_CONSUMER: 1013,
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
  /** Too many pings, unsolicited pongs, unreadable frames, or acks of nothing: reconnect with backoff. */
  TOO_MANY_FRAMES: 4429,
} as const;

/** Why `ws` closes a connection by itself, before anybody hears of the frame: its errors, and the close code of each. */
export const FRAME_ERRORS: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  /** More than `maxFragments` fragments, or a frame in crumbs. */
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  /** Longer than `maxFrameBytes`. */
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
};

/** The close code of every other error in a frame [RFC 6455 7.4.1]. */
export const BROKEN_FRAME = 1002;
