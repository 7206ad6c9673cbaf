import { inspect } from 'node:util';
import { systemClock, type Clock } from './clock.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const MIB = 1024 * 1024;

/** All that a chat can be told. Every value has a default; no limit is `null`, never 0. */
export class ChatOptions {
  /** What a second connection of one user does: `replace` closes the first with 4409, `multiple` lets both stay. */
  sessions: 'replace' | 'multiple' = 'replace';

  /**
   * After how many milliseconds without the recipient's confirmation a relayed message is stored as well, 0 to 60,000.
   * 0 stores every message before it is written to anybody.
   */
  persistAfterMs = 250;

  /** How many messages may be on their way to one connection without its confirmation, 2 to 4,096. */
  ackWindow = 256;

  /** Longest content of a message, in bytes of UTF-8, 1 to 16 MiB. */
  maxContentBytes = 65_536;

  /** Longest WebSocket frame, in bytes; a longer one closes the connection with 1009. More than `maxContentBytes`, up to 32 MiB. */
  maxFrameBytes = 131_072;

  /** Milliseconds between two pings to a connection, 1,000 to 600,000; one that answers none within that time is closed with 4408. */
  heartbeatMs = 25_000;

  /** How many messages may wait for one user, 1 or more; `null` for no limit. */
  maxPendingPerUser: number | null = 1_000;

  /** How many bytes of content may wait for one user, 1 or more; `null` for no limit. */
  maxPendingBytesPerUser: number | null = 8 * MIB;

  /** How many messages of one sender may wait for one user, 1 or more; `null` for no limit. */
  maxPendingPerSender: number | null = 200;

  /** What happens to a message for a full mailbox: `reject` refuses it with MAILBOX_FULL, `evict-oldest` drops the oldest one that waits there. */
  overflow: 'reject' | 'evict-oldest' = 'reject';

  /** How long a message waits in the store before it expires, in milliseconds, 1,000 or more; `null` for ever. */
  retentionMs: number | null = 30 * DAY_MS;

  /** Where the time comes from. */
  clock: Clock = systemClock;
}

/** The token of the merged and validated options: all that a service injects. */
export const CHAT_OPTIONS = Symbol.for('holdfast:options');

type Check = (value: unknown) => string | null;

const whole =
  (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : max === Number.MAX_SAFE_INTEGER
        ? `a whole number of at least ${min}`
        : `a whole number from ${min} to ${max}`;
const orNull =
  (check: Check): Check =>
  (value) => {
    const wanted = value === null ? null : check(value);
    return wanted && `${wanted}, or null for no limit`;
  };
const oneOf =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value as string) ? null : values.map((each) => `'${each}'`).join(' or ');

const CHECKS: Record<keyof ChatOptions, Check> = {
  sessions: oneOf('replace', 'multiple'),
  persistAfterMs: whole(0, 60_000),
  ackWindow: whole(2, 4_096),
  maxContentBytes: whole(1, 16 * MIB),
  maxFrameBytes: whole(2, 32 * MIB),
  heartbeatMs: whole(1_000, 600_000),
  maxPendingPerUser: orNull(whole(1)),
  maxPendingBytesPerUser: orNull(whole(1)),
  maxPendingPerSender: orNull(whole(1)),
  overflow: oneOf('reject', 'evict-oldest'),
  retentionMs: orNull(whole(1_000)),
  clock: (value) => (isClock(value) ? null : 'a Clock with now() and after()'),
};

/** An option that does not fit; it stops the start. Its message names the option, the value and what to give instead. */
export class ChatOptionsError extends Error {
  override readonly name = 'ChatOptionsError';

  constructor(
    /** The name of the option. */
    readonly option: string,
    /** What is wrong with it: `is`, and the value. */
    readonly problem: string,
    /** What to give instead. */
    readonly remedy: string,
  ) {
    super(`ChatModule option ${option} ${problem}; ${remedy}.`);
  }
}

/** Fills in the defaults and checks every value; an unknown name or a value out of its range throws a ChatOptionsError. */
export function resolveChatOptions(given: Partial<ChatOptions> = {}): Readonly<ChatOptions> {
  const options = new ChatOptions();
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(CHECKS, name)) {
      throw new ChatOptionsError(name, 'is not known', `known are ${Object.keys(CHECKS).join(', ')}`);
    }
    if (value !== undefined) Object.assign(options, { [name]: value });
  }
  for (const name of Object.keys(CHECKS) as (keyof ChatOptions)[]) {
    const wanted = CHECKS[name](options[name]);
    if (wanted) throw new ChatOptionsError(name, `is ${show(options[name])}`, `give ${wanted}`);
  }
  if (options.maxFrameBytes <= options.maxContentBytes) {
    throw new ChatOptionsError(
      'maxFrameBytes',
      `is ${options.maxFrameBytes}`,
      `give more than maxContentBytes (${options.maxContentBytes}), as a frame holds the content and its envelope`,
    );
  }
  if (options.maxPendingBytesPerUser !== null && options.maxPendingBytesPerUser < options.maxContentBytes) {
    throw new ChatOptionsError(
      'maxPendingBytesPerUser',
      `is ${options.maxPendingBytesPerUser}`,
      `give at least maxContentBytes (${options.maxContentBytes}), or the longest message could never wait`,
    );
  }
  return Object.freeze(options);
}

function isClock(value: unknown): value is Clock {
  const clock = value as Partial<Clock> | null | undefined;
  return typeof clock?.now === 'function' && typeof clock.after === 'function';
}

// Not JSON, in which Infinity is `null`: the very value that it has to be told apart from.
function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 100 });
}
