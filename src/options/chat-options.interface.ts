// Written from chat-options.schema.ts by `npm run docs:options`.
import type { Clock } from './clock.js';
import type { RecordOptions } from './record-options.js';

/** Everything that a chat can be told. Every option has a default; no limit is `null`, never 0. */
export interface ChatOptions {
  /**
   * What a second connection of the same user does: `replace` closes the first with 4409, `multiple` keeps both.
   * @default 'replace'
   */
  sessions: 'replace' | 'multiple';

  /**
   * Connections that one user may have when `sessions` is `multiple`. One more is refused with 429, unless an open one
   * does not answer a ping within a second. Range: 1 or more, `null` for no limit.
   * @default 10
   */
  connectionsPerUser: number | null;

  /**
   * Connections that one client address may have. An IPv6 address counts by its /64. One more is refused with 429. On
   * the standalone server an address may have as many other sockets, and at least 100. Another is closed at once.
   * Range: 1 or more, `null` for no limit.
   * @default 50
   */
  connectionsPerAddress: number | null;

  /**
   * Connections in all, including handshakes that are under way. One more is refused with 503. The default is the
   * number of files that the process may open, less 100. On the standalone server other sockets may have what is left
   * and 50 more. Each new one then closes the oldest socket of the address that has the most. Range: 1 or more, `null`
   * for no limit.
   * @default open files, less 100
   */
  maxConnections: number | null;

  /**
   * Milliseconds between two pings to a connection. A connection that does not answer within that time is closed with
   * 4408. A connection that sends more than it may for two heartbeats is closed with 1013. Range: 1,000 to 600,000.
   * @default 25_000
   */
  heartbeatMs: number;

  /**
   * Messages read from one connection per second. More wait in order. Pings, unsolicited pongs, unreadable frames and
   * acks that confirm nothing may be five times as many. More of them close the connection with 4429. `null` lifts all
   * of these limits. Range: 1 or more, `null` for no limit.
   * @default 20
   */
  framesPerSecond: number | null;

  /**
   * Messages read from one connection at once, before `framesPerSecond` holds it up. Range: 1 or more.
   * @default 60
   */
  frameBurst: number;

  /**
   * Broadcasts that one connection may send per second, and ten times as many at once. More are refused with
   * RATE_LIMITED. Range: 1 or more, `null` for no limit.
   * @default 1
   */
  broadcastsPerSecond: number | null;

  /**
   * Signals that one connection may send per second, and twice as many at once. More are dropped in silence. Range: 1
   * or more, `null` for no limit.
   * @default 5
   */
  signalsPerSecond: number | null;

  /**
   * Longest content of a message with its `meta`, in bytes of UTF-8. Range: 1 to 16,777,216.
   * @default 65_536
   */
  maxContentBytes: number;

  /**
   * Longest `meta` of a message, as JSON in bytes of UTF-8; 0 allows none. It counts as content too, so that content
   * and meta together have at most `maxContentBytes`. Range: 0 to 65,536.
   * @default 4_096
   */
  maxMetaBytes: number;

  /**
   * Longest WebSocket frame, in bytes, more than `maxContentBytes`. A longer frame closes the connection with 1009.
   * Range: 2 to 33,554,432.
   * @default 131_072
   */
  maxFrameBytes: number;

  /**
   * Frames that one message may be split into. One more closes the connection with 1008. Range: 1 to 16,384.
   * @default 64
   */
  maxFragments: number;

  /**
   * Messages that may be on their way to one connection before it confirms them. Range: 2 to 4,096.
   * @default 256
   */
  ackWindow: number;

  /**
   * Bytes buffered for one connection, less than `maxBufferedBytes`. While more are buffered, the server skips
   * broadcasts to it. The server also stops reading from it, until all that is buffered has been sent. Range: 1,024 or
   * more.
   * @default 262_144
   */
  slowBufferBytes: number;

  /**
   * Bytes buffered for one connection. Above this, a connection that already was not reading is closed with 1013. A
   * single large write does not count. Range: 1,025 or more.
   * @default 1_048_576
   */
  maxBufferedBytes: number;

  /**
   * Milliseconds after which a relayed message that the recipient has not confirmed is stored as well. 0 stores every
   * message before it is sent to anybody. Range: 0 to 60,000.
   * @default 250
   */
  persistAfterMs: number;

  /**
   * Milliseconds that a message waits in the store before it expires. Range: 1,000 or more, `null` for no limit.
   * @default 2_592_000_000
   */
  retentionMs: number | null;

  /**
   * Milliseconds that a stored message waits unconfirmed before the listeners of the event `waiting` are told of its
   * recipient. 0 tells at once, also of those who are reading a backlog. Range: 0 to 86,400,000.
   * @default 10_000
   */
  waitingAfterMs: number;

  /**
   * Messages that may wait for one user. Range: 1 or more, `null` for no limit.
   * @default 1_000
   */
  maxPendingPerUser: number | null;

  /**
   * Bytes of content that may wait for one user, at least `maxContentBytes`. Range: 1 or more, `null` for no limit.
   * @default 8_388_608
   */
  maxPendingBytesPerUser: number | null;

  /**
   * Messages of one sender that may wait for one user. Range: 1 or more, `null` for no limit.
   * @default 200
   */
  maxPendingPerSender: number | null;

  /**
   * What happens to a message for a full mailbox: `reject` refuses it with MAILBOX_FULL, `evict-oldest` drops the
   * oldest message that waits there, of those with the lowest `urgency`.
   * @default 'reject'
   */
  overflow: 'reject' | 'evict-oldest';

  /**
   * Bytes of one sender that may wait, for all users together: the content, and 256 for each message. At least 256 more
   * than `maxContentBytes`. More are refused with SENDER_QUOTA, whatever `overflow` says. Range: 1 or more, `null` for
   * no limit.
   * @default 67_108_864
   */
  maxStoredBytesPerSender: number | null;

  /**
   * Bytes of all senders that may wait, counted the same way. At least `maxStoredBytesPerSender`. More are refused with
   * STORE_FULL, whatever `overflow` says. Range: 1 or more, `null` for no limit.
   * @default 8_589_934_592
   */
  maxStoredBytes: number | null;

  /**
   * Proxies whose `X-Forwarded-For` is believed: addresses without port or zone, networks such as `10.0.0.0/8`, or
   * `loopback`, `linklocal`, `uniquelocal`. Their own sockets have no limit.
   * @default []
   */
  trustedProxies: readonly string[];

  /**
   * Web pages that may connect, by origin, such as `https://app.example.com`. Others are refused with 403. `null`
   * allows any. By default any page may connect with `trusted`, otherwise only pages of the host that they connect to.
   * Requests without an `Origin` header do not come from a web page and are always allowed.
   * @default same host
   */
  allowedOrigins?: readonly string[] | null;

  /**
   * Hosts, without a port, at which the chat works without authentication, such as `chat.test`. Those of its own
   * machine (`localhost`, `127.0.0.1`, `[::1]`) always do. Others are refused with 403. With `authenticate` or
   * `insecure` any host is allowed.
   * @default []
   */
  allowedHosts: readonly string[];

  /**
   * Time limit of a handshake, in milliseconds. The standalone server applies it to the request headers (408).
   * Everywhere it applies to the authenticator (503). Range: 1,000 to 600,000.
   * @default 10_000
   */
  handshakeMs: number;

  /**
   * Handshakes accepted per second. Others wait in line for up to 5 s, and are then refused with 503. Range: 1 or more,
   * `null` for no limit.
   * @default null
   */
  handshakesPerSecond: number | null;

  /**
   * Time limit of closing all connections when the server stops, in milliseconds. Clients are told over the first half
   * at most, and cut off at the end. With few clients it is over at once. Before that, a node of a cluster lets the
   * others take over, for half of this time at most. Range: 100 to 600,000.
   * @default 5_000
   */
  drainMs: number;

  /**
   * What was said stays for `keepMs` milliseconds, also when it was confirmed: for history, unread counts and other
   * devices. `null` records nothing.
   * @default null
   */
  record: RecordOptions | null;

  /**
   * Where the time comes from.
   * @default the clock of the system
   */
  clock: Clock;
}
