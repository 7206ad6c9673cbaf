/**
 * Why the server closes a connection, and what a client does then [protocol 5]. After GOING_AWAY, SERVER_ERROR,
 * SLOW_CONSUMER, NO_PONG and TOO_MANY_FRAMES it reconnects. After PROTOCOL_ERROR, ADMINISTRATOR and REPLACED it stops.
 * After EXPIRED it gets new credentials first. After BAD_UTF8 it does not send the same frame again.
 */
export const CloseCode = {
  /** The server is going away: reconnect after as many seconds as the reason says [protocol 9]. */
  GOING_AWAY: 1001,
  /** A binary frame is not UTF-8: do not send the same frame again. */
  BAD_UTF8: 1007,
  /** The server failed: reconnect with backoff. */
  SERVER_ERROR: 1011,
  /**
   * The client does not read, and too much is buffered for it, or it sends too much and does not reply to pings:
   * reconnect with backoff.
   */
  SLOW_CONSUMER: 1013,
  /** The client acknowledged a `seq` that was never sent: stop. */
  PROTOCOL_ERROR: 4400,
  /** The credentials have expired: reconnect with new ones. */
  EXPIRED: 4401,
  /** Disconnected by an administrator: stop. */
  ADMINISTRATOR: 4403,
  /** No pong within the heartbeat: reconnect. */
  NO_PONG: 4408,
  /** Replaced by a newer connection of the same user: stop. */
  REPLACED: 4409,
  /** Too many pings, unsolicited pongs, unreadable frames, or acks that confirm nothing: reconnect with backoff. */
  TOO_MANY_FRAMES: 4429,
} as const;

/** The close code of each error for which `ws` closes a connection itself, before the gateway sees the frame. */
export const FRAME_ERRORS: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  /** More than `maxFragments` fragments, or one frame in too many small pieces. */
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  /** Longer than `maxFrameBytes`. */
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
};

/** The close code of every other error in a frame [RFC 6455 7.4.1]. */
export const BROKEN_FRAME = 1002;

/** What each close code means, and what a client does about it. docs/errors.md is written from this table. */
export const CLOSE_CODES: Readonly<Record<number, { readonly meaning: string; readonly remedy: string }>> = {
  [CloseCode.GOING_AWAY]: {
    meaning: 'The server is going away.',
    remedy: 'Reconnect as `retry-after=` in the reason says.',
  },
  [BROKEN_FRAME]: {
    meaning: 'The client sent something that is not a frame of RFC 6455.',
    remedy: 'Correct the client.',
  },
  [CloseCode.BAD_UTF8]: { meaning: 'A frame was not UTF-8.', remedy: 'Do not send it again.' },
  1008: {
    meaning: 'A message in more than `maxFragments` fragments, or a frame in too many small pieces.',
    remedy: 'Send it in fewer.',
  },
  1009: { meaning: 'A frame was longer than `maxFrameBytes`.', remedy: 'Do not send it again.' },
  [CloseCode.SERVER_ERROR]: { meaning: 'The server failed.', remedy: 'Reconnect with backoff.' },
  [CloseCode.SLOW_CONSUMER]: {
    meaning:
      'The client does not read, and more than `maxBufferedBytes` are buffered for it; or it sends more than it may, ' +
      'and has not replied to pings for two heartbeats.',
    remedy: 'Reconnect with backoff.',
  },
  [CloseCode.PROTOCOL_ERROR]: {
    meaning: 'An `ack` of a `seq` that was never sent.',
    remedy: 'Stop; correct the client.',
  },
  [CloseCode.EXPIRED]: { meaning: 'The credentials have expired.', remedy: 'Reconnect with new ones.' },
  [CloseCode.ADMINISTRATOR]: { meaning: 'An administrator or the application closed it.', remedy: 'Stop.' },
  [CloseCode.NO_PONG]: {
    meaning:
      'No pong within the heartbeat, or within 1 s when a newer connection of the user needed the slot of this one.',
    remedy: 'Reconnect.',
  },
  [CloseCode.REPLACED]: { meaning: 'A newer connection of the same user replaced it.', remedy: 'Stop.' },
  [CloseCode.TOO_MANY_FRAMES]: {
    meaning: 'Too many pings, unsolicited pongs, unreadable frames, or acks that confirm nothing.',
    remedy: 'Reconnect with backoff.',
  },
};
