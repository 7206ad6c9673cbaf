import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { systemClock, type Clock } from './clock.js';
import { isNetwork } from './network-address.js';
import type { RecordOptions } from './record-options.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const KIB = 1_024;
const MIB = 1_024 * KIB;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

// The message of every error in the schema is the remedy: what to give instead.
function whole(min: number, max = UNBOUNDED, orElse = '') {
  const remedy = `give a whole number ${max === UNBOUNDED ? `of at least ${min}` : `from ${min} to ${max}`}${orElse}`;
  return z.int(remedy).min(min, remedy).max(max, remedy);
}

const limit = (min: number) => whole(min, UNBOUNDED, ', or null for no limit').nullable();

const oneOf = <const Values extends readonly [string, ...string[]]>(...values: Values) =>
  z.enum(values, `give ${values.map((value) => `'${value}'`).join(' or ')}`);

function listOf(fits: (item: string) => boolean, what: string) {
  const remedy = `give a list of ${what}`;
  return z.array(z.string(remedy).refine(fits, remedy), remedy).readonly();
}

/**
 * Every option by its group: type, range, default and text. `npm run docs:options` writes the interface ChatOptions and
 * docs/options.md from it, where what is quoted in a text becomes code.
 */
export const OPTION_GROUPS = {
  Connections: {
    sessions: oneOf('replace', 'multiple').default('replace').describe(`
      What a second connection of the same user does: 'replace' closes the first with 4409, 'multiple' keeps both.`),
    connectionsPerUser: limit(1).default(10).describe(`
      Connections that one user may have when 'sessions' is 'multiple'. One more is refused with 429, unless an open
      one does not answer a ping within a second.`),
    connectionsPerAddress: limit(1).default(50).describe(`
      Connections that one client address may have. An IPv6 address counts by its /64. One more is refused with 429.
      On the standalone server an address may have as many other sockets, and at least 100. Another is closed at
      once.`),
    maxConnections: limit(1).default(descriptorLimit).describe(`
      Connections in all, including handshakes that are under way. One more is refused with 503. The default is the
      number of files that the process may open, less 100. On the standalone server other sockets may have what is
      left and 50 more. Each new one then closes the oldest socket of the address that has the most.`),
    heartbeatMs: whole(SECOND_MS, 10 * MINUTE_MS).default(25 * SECOND_MS).describe(`
      Milliseconds between two pings to a connection. A connection that does not answer within that time is closed
      with 4408. A connection that sends more than it may for two heartbeats is closed with 1013.`),
  },
  'Limits of one connection': {
    framesPerSecond: limit(1).default(20).describe(`
      Messages read from one connection per second. More wait in order. Pings, unsolicited pongs, unreadable frames
      and acks that confirm nothing may be five times as many. More of them close the connection with 4429. 'null'
      lifts all of these limits.`),
    frameBurst: whole(1).default(60).describe(`
      Messages read from one connection at once, before 'framesPerSecond' holds it up.`),
    broadcastsPerSecond: limit(1).default(1).describe(`
      Broadcasts that one connection may send per second, and ten times as many at once. More are refused with
      RATE_LIMITED.`),
    signalsPerSecond: limit(1).default(5).describe(`
      Signals that one connection may send per second, and twice as many at once. More are dropped in silence.`),
    maxContentBytes: whole(1, 16 * MIB).default(64 * KIB).describe(`
      Longest content of a message with its 'meta', in bytes of UTF-8.`),
    maxMetaBytes: whole(0, 64 * KIB).default(4 * KIB).describe(`
      Longest 'meta' of a message, as JSON in bytes of UTF-8; 0 allows none. It counts as content too, so that content
      and meta together have at most 'maxContentBytes'.`),
    maxFrameBytes: whole(2, 32 * MIB).default(128 * KIB).describe(`
      Longest WebSocket frame, in bytes, more than 'maxContentBytes'. A longer frame closes the connection with 1009.`),
    maxFragments: whole(1, 16_384).default(64).describe(`
      Frames that one message may be split into. One more closes the connection with 1008.`),
    ackWindow: whole(2, 4_096).default(256).describe(`
      Messages that may be on their way to one connection before it confirms them.`),
    slowBufferBytes: whole(KIB).default(256 * KIB).describe(`
      Bytes buffered for one connection, less than 'maxBufferedBytes'. While more are buffered, the server skips
      broadcasts to it. The server also stops reading from it, until all that is buffered has been sent.`),
    maxBufferedBytes: whole(KIB + 1).default(MIB).describe(`
      Bytes buffered for one connection. Above this, a connection that already was not reading is closed with 1013. A
      single large write does not count.`),
  },
  'Mailboxes and store': {
    persistAfterMs: whole(0, MINUTE_MS).default(250).describe(`
      Milliseconds after which a relayed message that the recipient has not confirmed is stored as well. 0 stores
      every message before it is sent to anybody.`),
    retentionMs: limit(SECOND_MS).default(30 * DAY_MS).describe(`
      Milliseconds that a message waits in the store before it expires.`),
    waitingAfterMs: whole(0, DAY_MS).default(10 * SECOND_MS).describe(`
      Milliseconds that a stored message waits unconfirmed before the listeners of the event 'waiting' are told of its
      recipient. 0 tells at once, also of those who are reading a backlog.`),
    maxPendingPerUser: limit(1).default(1_000).describe(`
      Messages that may wait for one user.`),
    maxPendingBytesPerUser: limit(1).default(8 * MIB).describe(`
      Bytes of content that may wait for one user, at least 'maxContentBytes'.`),
    maxPendingPerSender: limit(1).default(200).describe(`
      Messages of one sender that may wait for one user.`),
    overflow: oneOf('reject', 'evict-oldest').default('reject').describe(`
      What happens to a message for a full mailbox: 'reject' refuses it with MAILBOX_FULL, 'evict-oldest' drops the
      oldest message that waits there, of those with the lowest 'urgency'.`),
    maxStoredBytesPerSender: limit(1).default(64 * MIB).describe(`
      Bytes of one sender that may wait, for all users together: the content, and 256 for each message. At least 256
      more than 'maxContentBytes'. More are refused with SENDER_QUOTA, whatever 'overflow' says.`),
    maxStoredBytes: limit(1).default(8 * KIB * MIB).describe(`
      Bytes of all senders that may wait, counted the same way. At least 'maxStoredBytesPerSender'. More are refused
      with STORE_FULL, whatever 'overflow' says.`),
  },
  Handshake: {
    trustedProxies: listOf(isNetwork, 'addresses without port or zone, or networks such as 10.0.0.0/8').default([])
      .describe(`
      Proxies whose 'X-Forwarded-For' is believed: addresses without port or zone, networks such as '10.0.0.0/8', or
      'loopback', 'linklocal', 'uniquelocal'. Their own sockets have no limit.`),
    allowedOrigins: listOf(isOrigin, 'origins such as https://app.example.com, or null for any').nullable().optional()
      .describe(`
      Web pages that may connect, by origin, such as 'https://app.example.com'. Others are refused with 403. 'null'
      allows any. By default any page may connect with 'trusted', otherwise only pages of the host that they connect
      to. Requests without an 'Origin' header do not come from a web page and are always allowed.`),
    allowedHosts: listOf(isHost, 'hosts such as chat.test, in lower case and without a port').default([]).describe(`
      Hosts, without a port, at which the chat works without authentication, such as 'chat.test'. Those of its own
      machine ('localhost', '127.0.0.1', '[::1]') always do. Others are refused with 403. With 'authenticate' or
      'insecure' any host is allowed.`),
    handshakeMs: whole(SECOND_MS, 10 * MINUTE_MS).default(10 * SECOND_MS).describe(`
      Time limit of a handshake, in milliseconds. The standalone server applies it to the request headers (408).
      Everywhere it applies to the authenticator (503).`),
    handshakesPerSecond: limit(1).default(null).describe(`
      Handshakes accepted per second. Others wait in line for up to 5 s, and are then refused with 503.`),
  },
  Shutdown: {
    drainMs: whole(100, 10 * MINUTE_MS).default(5 * SECOND_MS).describe(`
      Time limit of closing all connections when the server stops, in milliseconds. Clients are told over the first
      half at most, and cut off at the end. With few clients it is over at once. Before that, a node of a cluster lets
      the others take over, for half of this time at most.`),
  },
};

const RECORD_REMEDY = 'give { keepMs, of, maxPerConversation, conversationsPerDay }, or null to record nothing';

/** Its parts are described in record-options.ts. */
const record = z
  .strictObject(
    {
      keepMs: whole(MINUTE_MS),
      maxPerConversation: limit(1).default(100_000),
      conversationsPerDay: limit(1).default(100),
      of: z
        .custom<NonNullable<RecordOptions['of']>>(
          (given) => typeof given === 'function',
          'give a function that returns true or false, or leave it out',
        )
        .optional(),
    },
    RECORD_REMEDY,
  )
  .nullable()
  .default(null).describe(`
      What was said stays for 'keepMs' milliseconds, also when it was confirmed: for history, unread counts and other
      devices. 'null' records nothing.`);

/** The schema of all options, without the rules that compare two of them. */
export const chatOptionsSchema = z.object({
  ...OPTION_GROUPS.Connections,
  ...OPTION_GROUPS['Limits of one connection'],
  ...OPTION_GROUPS['Mailboxes and store'],
  ...OPTION_GROUPS.Handshake,
  ...OPTION_GROUPS.Shutdown,
  record,
  // Only code can give it.
  clock: z
    .custom<Clock>(isClock, 'give a Clock with now(), monotonic() and after()')
    .default(() => systemClock)
    .describe('Where the time comes from.'),
});

/** The options that an operator sets sensibly. The others are for experts: their defaults fit nearly everybody. */
export const COMMON_OPTIONS: readonly (keyof typeof chatOptionsSchema.shape)[] = [
  'sessions',
  'maxConnections',
  'connectionsPerAddress',
  'framesPerSecond',
  'maxContentBytes',
  'retentionMs',
  'maxPendingPerUser',
  'maxStoredBytes',
  'trustedProxies',
  'allowedOrigins',
];

/** The options that are lists, which the environment writes with commas. */
export const LIST_OPTIONS: readonly string[] = Object.entries(chatOptionsSchema.shape)
  .filter(([, schema]) => schema.safeParse([]).success)
  .map(([name]) => name);

/** Left for the database, the log and what else the process opens. */
const SPARE_DESCRIPTORS = 100;

/** Returns how many files the process may open, less what it needs itself; null where the system does not say it. */
function descriptorLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? null : Math.max(1, Number(soft) - SPARE_DESCRIPTORS);
  } catch {
    return null; // Not Linux: the operator gives the number, if there is to be one.
  }
}

function isOrigin(item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item;
}

function isHost(item: string): boolean {
  const url = `http://${item}`;
  return URL.canParse(url) && new URL(url).hostname === item;
}

function isClock(value: unknown): boolean {
  const clock = value as Partial<Clock> | null | undefined;
  return [clock?.now, clock?.monotonic, clock?.after].every((method) => typeof method === 'function');
}
