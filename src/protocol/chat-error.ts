import { explainUserName } from './user-name.js';
import type { ClientEvents, ErrorCode, QuotaScope } from './wire.js';

/** What docs/errors.md says about one code. */
interface ErrorDescription {
  /** Whether the same request may succeed later [protocol 5]. */
  readonly temporary: boolean;
  /** The HTTP status of the refusal; left out of codes that only frames are refused with. */
  readonly status?: number;
  readonly meaning: string;
  readonly remedy: string;
}

/** The codes with which frames and REST calls are refused. docs/errors.md is written from this table. */
export const ERROR_CODES = {
  BAD_FRAME: {
    temporary: false,
    status: 400,
    meaning: 'Not JSON, no `event`, a field of the wrong type, or an `ack` of a `seq` that was never sent.',
    remedy: 'Correct the client.',
  },
  UNKNOWN_EVENT: {
    temporary: false,
    meaning: 'There is no such event.',
    remedy: 'Send `send`, `broadcast`, `signal`, `ack`, `ping`, `renew`, `history`, `sync`, `conversations` or `read`.',
  },
  BAD_RECIPIENT: {
    temporary: false,
    status: 400,
    meaning: 'The user name is not valid; the message names the character that is not allowed.',
    remedy: 'Correct the name.',
  },
  NO_RECIPIENT: {
    temporary: false,
    meaning: '`|content` was sent on a connection that has no last recipient.',
    remedy: 'Put a user name before the `|`.',
  },
  CONTENT_TOO_LARGE: {
    temporary: false,
    status: 413,
    meaning: 'The content with its `meta` is longer than `maxContentBytes`, or `meta` than `maxMetaBytes`.',
    remedy: 'Send it in parts.',
  },
  MAILBOX_FULL: {
    temporary: true,
    status: 429,
    meaning: '`maxPendingPerUser` or `maxPendingBytesPerUser` is reached, and `overflow` is `reject`.',
    remedy: 'Send it again after the recipient has connected.',
  },
  SENDER_QUOTA: {
    temporary: true,
    status: 429,
    meaning:
      'With `scope: "mailbox"`, `maxPendingPerSender` of your messages wait in this mailbox. With `scope: "sender"`, ' +
      'your messages in all mailboxes have reached `maxStoredBytesPerSender`: none that has to wait is accepted. With ' +
      '`scope: "conversations"`, you have begun `record.conversationsPerDay` conversations in 24 hours.',
    remedy:
      'Send it again after the recipient has connected; with `sender`, after any recipient has; with `conversations`, ' +
      'some hours later, or write to somebody with whom you have talked before.',
  },
  STORE_FULL: {
    temporary: true,
    status: 503,
    meaning:
      'All waiting messages have reached `maxStoredBytes`: no message that has to wait is accepted from anybody.',
    remedy: 'Send it again later, with the same id.',
  },
  RATE_LIMITED: {
    temporary: true,
    meaning:
      'More broadcasts than `broadcastsPerSecond`; or more than one `renew` in 5 s (3 at once), or one while another is ' +
      'checked. Direct messages are never refused with this code.',
    remedy: 'Send it again, more slowly.',
  },
  STORE_UNAVAILABLE: {
    temporary: true,
    status: 503,
    meaning:
      'The store could not be written or read, the server is going away, or 100,000 messages wait in the table of ' +
      '`sendInTransaction`; nothing was promised.',
    remedy: 'Send it again later, with the same id.',
  },
  NOT_ALLOWED: {
    temporary: false,
    status: 403,
    meaning: "The application's `authorize` did not allow it.",
    remedy: 'Do not send it again.',
  },
  NOT_RECORDED: {
    temporary: false,
    status: 404,
    meaning: '`history`, `sync`, `conversations` or `read`, and this chat records nothing: `recordMs` is null.',
    remedy: 'Do not ask; or ask the operator for the option `record`.',
  },
  BAD_TOKEN: {
    temporary: false,
    meaning:
      'The token of a `renew` is not valid, or not of the user of this connection; or the server believes names ' +
      '(`trusted`), so that there is nothing to renew.',
    remedy: 'Get a new token. The connection stays open until its own credentials expire.',
  },
  AUTHENTICATION_UNAVAILABLE: {
    temporary: true,
    meaning: 'The token of a `renew` cannot be checked. It means the same as this code before the upgrade.',
    remedy: 'Keep the token, and send it again after some seconds. The connection stays open meanwhile.',
  },
} as const satisfies Record<ErrorCode, ErrorDescription>;

/** The HTTP status of a refusal with this code. */
export function statusOf(code: ErrorCode): number {
  const { status = 400 }: ErrorDescription = ERROR_CODES[code];
  return status;
}

/**
 * A refusal that goes to a client or to the application. The message says what happened and what to do, and never
 * quotes the sender. The cause is for the log only. Create refusals with `errors`, so that all sentences are in one
 * place.
 */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;
  /** The id of the refused message, if it has one that could be read. */
  readonly id: string | undefined;
  /**
   * Only for SENDER_QUOTA: whether messages to other users may still be accepted (`mailbox`), none (`sender`), or those
   * to users with whom the sender has talked (`conversations`).
   */
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

const CLIENT_EVENTS = [
  'send',
  'broadcast',
  'signal',
  'ack',
  'ping',
  'renew',
  'history',
  'sync',
  'conversations',
  'read',
] as const satisfies readonly (keyof ClientEvents)[];

/** Every refusal, by its cause. */
export const errors = {
  notJson: (cause: unknown) =>
    new ChatError('BAD_FRAME', 'the frame is not JSON; send {"event": …, "data": {…}}', { cause }),

  noEvent: (id: string | undefined) =>
    new ChatError('BAD_FRAME', 'the frame needs an "event" and an object as "data"', { id }),

  unknownEvent: (id: string | undefined) =>
    new ChatError('UNKNOWN_EVENT', `there is no such event; send one of ${CLIENT_EVENTS.join(', ')}`, { id }),

  /** `rule` says what the field has to be. */
  badField: (field: string, rule: string, id?: string) => new ChatError('BAD_FRAME', `"${field}" ${rule}`, { id }),

  neverSent: () => new ChatError('BAD_FRAME', 'this seq was never sent to you; acknowledge what has come'),

  /** `what` names the part of the request that holds the name. */
  badName: (written: unknown, what: string, id?: string) =>
    new ChatError('BAD_RECIPIENT', `${explainUserName(written)}; correct ${what}`, { id }),

  noRecipient: () =>
    new ChatError('NO_RECIPIENT', 'there is no last recipient on this connection; put a user name before the "|"'),

  contentTooLarge: (bytes: number, maxBytes: number, id: string | undefined) =>
    new ChatError('CONTENT_TOO_LARGE', `the content has ${bytes} bytes and may have ${maxBytes}; send it in parts`, {
      id,
    }),

  metaTooLarge: (bytes: number, maxBytes: number, id: string | undefined) =>
    new ChatError(
      'CONTENT_TOO_LARGE',
      maxBytes === 0
        ? 'this server takes no meta; leave it out'
        : `the meta has ${bytes} bytes as JSON and may have ${maxBytes}; say less in it`,
      { id },
    ),

  mailboxFull: () =>
    new ChatError('MAILBOX_FULL', 'too many messages wait for this user; send again when some were delivered'),

  mailboxQuota: (maxPending: number) =>
    new ChatError(
      'SENDER_QUOTA',
      `${maxPending} of your messages already wait for this user; send again when some were delivered`,
      { scope: 'mailbox' },
    ),

  senderQuota: () =>
    new ChatError(
      'SENDER_QUOTA',
      'your messages that wait, for all users together, leave no room for this one; send again when some were delivered',
      { scope: 'sender' },
    ),

  conversationQuota: (perDay: number, id: string | undefined) =>
    new ChatError(
      'SENDER_QUOTA',
      `you have begun ${perDay} conversations in 24 hours; write to somebody you know, or wait some hours`,
      { scope: 'conversations', id },
    ),

  storeFull: () =>
    new ChatError('STORE_FULL', 'the store has no room for this message; send it again later, with the same id'),

  tooManyBroadcasts: (id: string | undefined) =>
    new ChatError('RATE_LIMITED', 'too many broadcasts in a short time; send again more slowly', { id }),

  notStored: (cause: unknown) =>
    new ChatError('STORE_UNAVAILABLE', 'the message was not stored; send it again later', { cause }),

  notRead: (cause: unknown) =>
    new ChatError('STORE_UNAVAILABLE', 'the store cannot be read; try again later', { cause }),

  notDeletedYet: (cause: unknown) =>
    new ChatError('STORE_UNAVAILABLE', 'the store fails; what was found is deleted when it works again', { cause }),

  tooManyOutgoing: (max: number) =>
    new ChatError(
      'STORE_UNAVAILABLE',
      `${max} messages wait in holdfast_outgoing, which is all that it may hold; find out why they are not sent`,
    ),

  goingAway: () => new ChatError('STORE_UNAVAILABLE', 'the server is going away; try again later'),

  noHome: () =>
    new ChatError('STORE_UNAVAILABLE', 'the node that has this mailbox cannot be reached; send it again later'),

  nodeSilent: () => new ChatError('STORE_UNAVAILABLE', 'a node of the cluster does not answer; try again later'),

  notAllowed: (id: string | undefined) =>
    new ChatError('NOT_ALLOWED', 'the application does not allow it; do not send it again', { id }),

  notRecorded: (id?: string) =>
    new ChatError('NOT_RECORDED', 'this chat records nothing, so there is no history to ask for', { id }),

  badToken: () => new ChatError('BAD_TOKEN', 'the token is not a valid one of this user; get a new one'),

  tokenUnchecked: (cause: unknown) =>
    new ChatError(
      'AUTHENTICATION_UNAVAILABLE',
      'the token cannot be checked at the moment; try again in a few seconds',
      {
        cause,
      },
    ),

  tooManyRenewals: () =>
    new ChatError('RATE_LIMITED', 'too many tokens in a short time; wait for the reply, and some seconds'),
} as const;
