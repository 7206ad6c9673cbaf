import type { ClientEvents as WireEvents, ErrorCode, WireMessage } from '../../src/protocol/wire.js';
import type { Store } from './store.js';

/** Why a token is asked for: at a connect, because the last one expired or soon will, or because it was refused. */
export type TokenReason = 'connect' | 'expired' | 'refused';

/** What `createClient` takes. Only `url` is required. */
export interface ClientOptions {
  /** Address of the socket: `ws:`, `wss:`, `http:` or `https:`. A function is asked at every connect. */
  readonly url: string | URL | (() => string | URL | Promise<string | URL>);
  /** Asked at every connect. Null connects without one. */
  readonly token?: (about: { readonly reason: TokenReason }) => string | null | Promise<string | null>;
  /**
   * The name by which the server knows this user: it believes it, or finds it in the token. It also names the store, so
   * that users do not share one. When the server names another user, the client stops before it sends anything.
   */
  readonly user?: string;
  /**
   * Where the outbox and what came in are kept. `auto` is IndexedDB in browsers and the memory elsewhere. What is in
   * the memory ends with the page or the process.
   * @default 'auto'
   */
  readonly store?: Store | 'auto' | 'memory';
  /**
   * `shared`: all tabs of one user have one connection. It needs Web Locks, BroadcastChannel and IndexedDB; where one
   * of them is missing, each tab has its own. `separate`: each tab has its own, and `auto` is the memory.
   * @default 'shared'
   */
  readonly tabs?: 'shared' | 'separate';
  /** The pause before a reconnect is random: up to `minDelayMs` at first, twice as much after each failure. */
  readonly reconnect?: { readonly minDelayMs?: number; readonly maxDelayMs?: number };
  /**
   * After so much silence the server is asked whether it is there.
   * @default 25_000
   */
  readonly heartbeatMs?: number;
  /**
   * Limits of the outbox: 1,000 messages, 8 MiB of content, 7 days. What is above is refused with OUTBOX_FULL, and what
   * waited longer, or longer than its `ttl`, with TOO_OLD. The age is that by the clock of the device.
   */
  readonly outbox?: { readonly maxMessages?: number; readonly maxBytes?: number; readonly maxAgeMs?: number };
  /**
   * So long the handlers of a message may take, with all tries; then they count as failed. `Infinity` for handlers that
   * wait for whoever reads.
   * @default 30_000
   */
  readonly handlerMs?: number;
  /** The WebSocket to use, for Node below 22, where there is no global one (`ws`). */
  readonly WebSocket?: new (url: string, protocols: string[]) => unknown;
}

/** A message that came in. */
export interface ReceivedMessage extends Omit<WireMessage, 'seq' | 'echo'> {
  /**
   * True when this may have been handed to the handlers before: the page ended, or another tab took over, before they were
   * done.
   */
  readonly redelivered: boolean;
}

/** What somebody does at this moment. */
export interface ReceivedSignal {
  readonly from: string;
  /** Such as `composing`. */
  readonly kind: string;
  /** A value of JSON. */
  readonly data?: unknown;
}

/** Whether there is a connection, and what comes next if there is none. */
export type ConnectionState =
  /** `connect` was not called yet, or `disconnect` was. */
  | 'idle'
  /** A connection is being opened, or it is being checked whether it still works. */
  | 'connecting'
  | 'online'
  /** There is none. It is tried again at `retryAt`. */
  | 'waiting'
  /** The server does not want this client back, or knows it as another user, as `why` says. Only `connect` tries again. */
  | 'stopped';

/** The state of the connection, and why it is so. */
export interface StateChange {
  readonly state: ConnectionState;
  /** Why, in plain words for people; empty while online or idle. */
  readonly why: string;
  /** The close code, or the HTTP status of a refused handshake; null when there is none. */
  readonly code: number | null;
  /** Only while waiting: when the next try is made, in milliseconds since 1970. */
  readonly retryAt: number | null;
}

/** Why a message was not accepted: by the server (its codes), or by this client. */
export type RefusalCode =
  | ErrorCode
  /** `outbox` limits. */
  | 'OUTBOX_FULL'
  /** It waited longer than `outbox.maxAgeMs`. */
  | 'TOO_OLD'
  | 'CANCELLED'
  /** A broadcast that may have gone out: the connection was lost before its receipt came. */
  | 'UNKNOWN'
  /** The server was asked for the record, and there was no answer within 30 s. */
  | 'NO_ANSWER'
  /** `earlier`: 10,000 messages of this conversation are in memory. `history` gives pages of earlier ones. */
  | 'CONVERSATION_FULL'
  /** `clear`: something that was kept may be left on this device. The message says why. */
  | 'NOT_CLEARED'
  /** The client was closed or cleared. */
  | 'CLOSED';

/**
 * What became of a sent message. First `delivered` (its recipient confirmed it), `stored` (it waits on the server's
 * disk), `broadcast`, `absent` (it had a `ttl` of 0, and nobody confirmed it) or `refused`. What was stored may later be
 * `delivered`, `expired`, `purged`, `evicted` or `replaced` (by a newer one with its `topic`).
 */
export interface ReceiptEvent {
  readonly id: string;
  /** Null for a broadcast. */
  readonly to: string | null;
  readonly status: FirstStatus | 'refused' | 'expired' | 'purged' | 'evicted' | 'replaced';
  /** When the server accepted it (ISO 8601); only in the first receipt. */
  readonly sentAt?: string;
  /** Only of a broadcast: to how many connections it went. */
  readonly recipients?: number;
  /** Where it stands in its conversation; only of a recorded message, and only in the first receipt. */
  readonly position?: string;
  /** Only when refused. */
  readonly code?: RefusalCode;
  readonly message?: string;
}

/** The receipt of a message that was accepted. */
export type Receipt = ReceiptEvent & { readonly status: FirstStatus };

type FirstStatus = 'delivered' | 'stored' | 'broadcast' | 'absent';

/** A message was not accepted and will not be. Those that may be later are tried again by the client itself. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly code: RefusalCode,
    message: string,
  ) {
    super(message);
  }
}

/** What a direct message may carry beside its content. */
export interface SendExtras {
  /** An object of JSON of up to `maxMetaBytes` of the server, such as `{ type: 'image', url }`. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /**
   * Whole seconds, after which the message is worth nothing: it is not delivered any more. 0: only to a connection that
   * the recipient has now. The time in this outbox counts, but for the first ten seconds.
   */
  readonly ttl?: number;
  /** 1 to 32 of `A-Z a-z 0-9 _ -`. On the server, it replaces the one that waits for this recipient with this topic. */
  readonly topic?: string;
  /** How soon it matters. It never changes the order. `normal` if left out. */
  readonly urgency?: NonNullable<WireEvents['send']['urgency']>;
}

/** What `send` may be given beside recipient and content. */
export interface SendOptions extends SendExtras {
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; made if left out. */
  readonly id?: string;
}

/** What `broadcast` may be given beside the content. */
export type BroadcastOptions = Pick<SendOptions, 'id' | 'meta'>;

/** A message that waits in the outbox: it has no receipt yet. */
export interface PendingMessage extends SendExtras {
  readonly id: string;
  /** Null for a broadcast. */
  readonly to: string | null;
  readonly content: string;
  /** When `send` was called, in milliseconds since 1970. */
  readonly at: number;
}

/** What `send` returns at once. */
export interface SentMessage extends PendingMessage {
  /** Resolves when the message is in the outbox; `persistent` says whether it survives the page or the process. */
  readonly kept: Promise<{ readonly persistent: boolean }>;
  /** Resolves with the first receipt; rejects with a RefusedError. Nobody has to listen. */
  readonly settled: Promise<Receipt>;
}

/** What the handlers of each event get. */
export interface ClientEvents {
  /**
   * A message came. It is marked when the promises of all handlers have resolved, and the next one is handed then. A
   * handler that fails five times, or is not done within `handlerMs`, goes to `error`, and the message is marked.
   */
  message: ReceivedMessage;
  /** A signal came. It is handed at once, and only to who listens now. */
  signal: ReceivedSignal;
  state: StateChange;
  /** For the messages of every tab. */
  receipt: ReceiptEvent;
  /** A message was written: in this tab or in another one. */
  sent: PendingMessage;
  /** All that waited on the server was handed; what follows is new. */
  caughtUp: { readonly delivered: number };
  /** More is known of a conversation, or of all (null). Only of a client of `holdfast-client/record`. */
  record: { readonly with: string | null };
  /** A frame went over the wire: `direction` is `in` or `out`. Only in the tab that has the connection. */
  frame: { readonly direction: 'in' | 'out'; readonly text: string };
  /**
   * What failed: a handler, the store, a frame that cannot be read, `token`, `url` and `WebSocket` at a connect, or a
   * look into the record.
   * Without a handler it goes to `console.error`.
   */
  error: { readonly error: unknown; readonly about: 'handler' | 'store' | 'frame' | 'connect' | 'record' };
}

/** The client of one user: it sends, receives and stays connected. */
export interface HoldfastClient {
  /** Who is online; null until the server has said it. */
  readonly user: string | null;
  readonly state: StateChange;
  /** What has no receipt, of all tabs, in order. */
  readonly pending: readonly PendingMessage[];
  /** The server's time, in milliseconds since 1970, as well as it is known. */
  readonly now: number;
  /** Longest content the server takes, in bytes of UTF-8; null until it has said so. */
  readonly maxContentBytes: number | null;
  /** Calls the handler on every such event; returns the function that ends that. */
  on<E extends keyof ClientEvents>(event: E, handler: (data: ClientEvents[E]) => unknown): () => void;
  /** Sends a direct message. It may be called in any state. */
  send(to: string, content: string, options?: SendOptions): SentMessage;
  /** Sends to everybody who is connected then. It is written once at most, and does not survive the page. */
  broadcast(content: string, options?: BroadcastOptions): SentMessage;
  /**
   * Tells a user something that counts only now, such as `composing`: it goes to whoever is there, at most once. It is
   * dropped when this client is not online, or sends more than the server's `signalsPerSecond`. `kind` is 1 to 32 of
   * `A-Z a-z 0-9 _ -`, `data` a value of JSON of up to 1,024 bytes; a signal that the server refuses goes to `error`.
   */
  signal(to: string, kind: string, data?: unknown): void;
  /** Takes a message back that was not written to the server yet; `settled` rejects with CANCELLED if it was in time. */
  cancel(id: string): void;
  /** Goes online and stays so: also after failures, and at once when it waits. */
  connect(): void;
  /** Goes offline, in all tabs if they share the connection. Messages are kept. */
  disconnect(): void;
  /** This tab goes offline, and takes no part until `connect` or `send`. Other tabs go on. Messages are kept. */
  leave(): void;
  /**
   * Goes offline, in all tabs, and removes outbox, inbox, what was seen and the copy of the record: for a sign-out.
   * Rejects with NOT_CLEARED, a RefusedError, when something may be left on this device, as when a store fails or another
   * tab hangs. All the rest is done then, and it may be called again.
   */
  clear(): Promise<void>;
  /**
   * Ends this client. Waits until what it has begun is written, for handlers of `message` 5 s at most: what they do not
   * finish is handed again by the next client of a persistent store. Other tabs go on.
   */
  close(): Promise<void>;
}
