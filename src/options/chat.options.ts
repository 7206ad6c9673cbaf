import { readFileSync } from 'node:fs';
import proxyaddr from 'proxy-addr';
import { inspect } from 'node:util';
import { systemClock, type Clock } from './clock.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const MIB = 1024 * 1024;

/**
 * What a stored message counts beside its content, in bytes: its row and its entries in the indexes. A file of SQLite grows by 201 to
 * 248 with names of 8 to 16 letters and a UUID as the id, Postgres by 278 to 378; with the longest names and ids it is 938 and 1,432.
 */
export const STORED_MESSAGE_BYTES = 256;

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

  /** Frames that one message may come in, 1 to 16,384; one more closes the connection with 1008. */
  maxFragments = 64;

  /** Bytes that wait to leave to one connection, 1,024 or more: beyond, it gets no broadcasts and is not listened to until it has read them. Less than `maxBufferedBytes`. */
  slowBufferBytes = 256 * 1024;

  /** Bytes that wait to leave to one connection which did not read before either, 1,025 or more: beyond, it is closed with 1013. What came at once, such as one long message, is no reason. */
  maxBufferedBytes = MIB;

  /** Milliseconds between two pings to a connection, 1,000 to 600,000; one that answers none within that time is closed with 4408. */
  heartbeatMs = 25_000;

  /** How many messages may wait for one user, 1 or more; `null` for no limit. */
  maxPendingPerUser: number | null = 1_000;

  /** How many bytes of content may wait for one user, 1 or more; `null` for no limit. */
  maxPendingBytesPerUser: number | null = 8 * MIB;

  /** How many messages of one sender may wait for one user, 1 or more; `null` for no limit. */
  maxPendingPerSender: number | null = 200;

  /** How many bytes may wait of one sender, for all users together: the content, and 256 for each message. At least 256 more than `maxContentBytes`; `null` for no limit. Beyond, messages are refused with SENDER_QUOTA, whatever `overflow` says. */
  maxStoredBytesPerSender: number | null = 64 * MIB;

  /** How many bytes may wait of all senders, counted the same way. At least `maxStoredBytesPerSender`; `null` for no limit. Beyond, messages are refused with STORE_FULL, whatever `overflow` says. */
  maxStoredBytes: number | null = 8 * 1024 * MIB;

  /** What happens to a message for a full mailbox: `reject` refuses it with MAILBOX_FULL, `evict-oldest` drops the oldest one that waits there. */
  overflow: 'reject' | 'evict-oldest' = 'reject';

  /** How long a message waits in the store before it expires, in milliseconds, 1,000 or more; `null` for ever. */
  retentionMs: number | null = 30 * DAY_MS;

  /** Frames that one connection may send per second, 1 or more, but for acks that confirm something; more are refused with RATE_LIMITED, and the connection is closed with 4429 when as many as `frameBurst` were refused in a row. `null` for no limit. */
  framesPerSecond: number | null = 20;

  /** Frames that one connection may send at once, 1 or more. */
  frameBurst = 60;

  /** Broadcasts that one connection may send per second, 1 or more, and ten times as many at once; `null` for no limit. */
  broadcastsPerSecond: number | null = 1;

  /** Connections that one user may have under `multiple`, 1 or more; one more is refused with 429. `null` for no limit. */
  connectionsPerUser: number | null = 10;

  /** Connections that one address may have, 1 or more; one more is refused with 429. `null` for no limit. */
  connectionsPerAddress: number | null = 50;

  /** Connections in all, 1 or more, with the handshakes that are under way; one more is refused with 503. As many as the process may open files, less 100, unless given; `null` for no limit. */
  maxConnections: number | null = descriptorLimit();

  /** Handshakes that are let in per second, 1 or more; others wait in line for up to 5 s, and are then refused with 503. `null` for as many as the machine manages. */
  admissionsPerSecond: number | null = null;

  /** How long a handshake may take, in milliseconds, 1,000 to 600,000: at the standalone server its head, or it is refused with 408, and everywhere the answer of the authenticator, or it is refused with 503. */
  handshakeMs = 10_000;

  /** Proxies whose `X-Forwarded-For` is believed: addresses, networks such as `10.0.0.0/8`, or `loopback`, `linklocal`, `uniquelocal`. */
  trustedProxies: readonly string[] = [];

  /** The pages that may connect, by their origin, such as `https://app.example.com`; others are refused with 403. `null` for any. Unless given, any with `trusted`, and else those of the host that they connect to. What comes without an `Origin` is no page, and may. */
  allowedOrigins: readonly string[] | null | undefined = undefined;

  /** How long the goodbye may take when the server goes away, in milliseconds, 100 to 600,000: clients are told over the first half at most, and cut off at the end. With few clients it is over at once. */
  drainMs = 5_000;

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
const orUnset =
  (check: Check): Check =>
  (value) =>
    value === undefined ? null : check(value);
const oneOf =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value as string) ? null : values.map((each) => `'${each}'`).join(' or ');

const listOf =
  (fits: (item: string) => boolean, what: string): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'string' && fits(item)) ? null : `a list of ${what}`;

const CHECKS: Record<keyof ChatOptions, Check> = {
  sessions: oneOf('replace', 'multiple'),
  persistAfterMs: whole(0, 60_000),
  ackWindow: whole(2, 4_096),
  maxContentBytes: whole(1, 16 * MIB),
  maxFrameBytes: whole(2, 32 * MIB),
  maxFragments: whole(1, 16_384),
  slowBufferBytes: whole(1_024),
  maxBufferedBytes: whole(1_025),
  heartbeatMs: whole(1_000, 600_000),
  maxPendingPerUser: orNull(whole(1)),
  maxPendingBytesPerUser: orNull(whole(1)),
  maxPendingPerSender: orNull(whole(1)),
  maxStoredBytesPerSender: orNull(whole(1)),
  maxStoredBytes: orNull(whole(1)),
  overflow: oneOf('reject', 'evict-oldest'),
  retentionMs: orNull(whole(1_000)),
  framesPerSecond: orNull(whole(1)),
  frameBurst: whole(1),
  broadcastsPerSecond: orNull(whole(1)),
  connectionsPerUser: orNull(whole(1)),
  connectionsPerAddress: orNull(whole(1)),
  maxConnections: orNull(whole(1)),
  admissionsPerSecond: orNull(whole(1)),
  handshakeMs: whole(1_000, 600_000),
  trustedProxies: listOf(isNetwork, 'addresses or networks such as 10.0.0.0/8'),
  allowedOrigins: orUnset(orNull(listOf(isOrigin, 'origins such as https://app.example.com'))),
  drainMs: whole(100, 600_000),
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

/** Fills in the defaults and checks every value; a name that is neither an option nor one of `others`, or a value out of its range, throws a ChatOptionsError. */
export function resolveChatOptions(
  given: Partial<ChatOptions> = {},
  others: readonly string[] = [],
): Readonly<ChatOptions> {
  const options = new ChatOptions();
  for (const [name, value] of Object.entries(given)) {
    if (others.includes(name)) continue;
    if (!Object.hasOwn(CHECKS, name)) {
      throw new ChatOptionsError(name, 'is not known', `known are ${[...Object.keys(CHECKS), ...others].join(', ')}`);
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
  if (options.maxBufferedBytes <= options.slowBufferBytes) {
    throw new ChatOptionsError(
      'maxBufferedBytes',
      `is ${options.maxBufferedBytes}`,
      `give more than slowBufferBytes (${options.slowBufferBytes}), or a connection is closed before it can be spared`,
    );
  }
  if (options.maxPendingBytesPerUser !== null && options.maxPendingBytesPerUser < options.maxContentBytes) {
    throw new ChatOptionsError(
      'maxPendingBytesPerUser',
      `is ${options.maxPendingBytesPerUser}`,
      `give at least maxContentBytes (${options.maxContentBytes}), or the longest message could never wait`,
    );
  }
  checkStoreRoom(options);
  return Object.freeze(options);
}

function checkStoreRoom({ maxContentBytes, maxStoredBytesPerSender, maxStoredBytes }: ChatOptions): void {
  const longest = maxContentBytes + STORED_MESSAGE_BYTES;
  for (const [name, bytes] of Object.entries({ maxStoredBytesPerSender, maxStoredBytes })) {
    if (bytes === null || bytes >= longest) continue;
    throw new ChatOptionsError(
      name,
      `is ${bytes}`,
      `give at least ${longest}, which is maxContentBytes and ${STORED_MESSAGE_BYTES}, or the longest message could never wait`,
    );
  }
  if (maxStoredBytes !== null && maxStoredBytesPerSender !== null && maxStoredBytes < maxStoredBytesPerSender) {
    throw new ChatOptionsError(
      'maxStoredBytes',
      `is ${maxStoredBytes}`,
      `give at least maxStoredBytesPerSender (${maxStoredBytesPerSender}), or less for that, or one sender could fill the store`,
    );
  }
}

/** Left for the database, the log and what else the process opens. */
const SPARE_DESCRIPTORS = 100;

/** How many files the process may have open, less what it needs itself; null where that can't be told. */
function descriptorLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? null : Math.max(1, Number(soft) - SPARE_DESCRIPTORS);
  } catch {
    return null; // Not Linux: the operator gives the number, if there is to be one.
  }
}

function isNetwork(item: string): boolean {
  try {
    proxyaddr.compile(item);
    return true;
  } catch {
    return false; // It throws for what it can't read.
  }
}

function isOrigin(item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item;
}

function isClock(value: unknown): value is Clock {
  const clock = value as Partial<Clock> | null | undefined;
  return typeof clock?.now === 'function' && typeof clock.after === 'function';
}

// Not JSON, in which Infinity is `null`: the very value that it has to be told apart from.
function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 100 });
}
