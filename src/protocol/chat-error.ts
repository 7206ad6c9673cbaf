/** Every reason for which a frame or a REST call is refused, and whether the same frame may succeed later [protocol 5]. */
export const ERROR_CODES = {
  BAD_FRAME: { temporary: false },
  UNKNOWN_EVENT: { temporary: false },
  BAD_RECIPIENT: { temporary: false },
  NO_RECIPIENT: { temporary: false },
  CONTENT_TOO_LARGE: { temporary: false },
  MAILBOX_FULL: { temporary: true },
  SENDER_QUOTA: { temporary: true },
  STORE_FULL: { temporary: true },
  RATE_LIMITED: { temporary: true },
  STORE_UNAVAILABLE: { temporary: true },
  NOT_ALLOWED: { temporary: false },
} as const;

/** What went wrong, in a word that programs can compare; docs/errors.md says what to do about each. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What of a sender's a SENDER_QUOTA is about: what waits in one mailbox, or in all. */
export type QuotaScope = 'mailbox' | 'sender';

/**
 * A refusal that somebody outside is told. The message says what happened and what to do, and never repeats what
 * the sender wrote; the cause is for the log only.
 */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  /** The same may succeed later. */
  readonly temporary: boolean;
  /** The id that the refused frame brought, if it could be read. */
  readonly id: string | undefined;
  /** Of a SENDER_QUOTA alone: whether a message for another user may go through meanwhile (`mailbox`), or none (`sender`). */
  readonly scope: QuotaScope | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; id?: string | undefined; scope?: QuotaScope } = {},
  ) {
    super(message, { cause: options.cause });
    this.temporary = ERROR_CODES[code].temporary;
    this.id = options.id;
    this.scope = options.scope;
  }
}
