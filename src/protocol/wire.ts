/**
 * The JSON protocol, `chat.v1.json`, as it is on the wire [protocol 4]. Types only, and no other import: the server, the
 * client library and the description of the socket are all made from this file.
 */

/** The codes with which a frame or a REST call is refused. docs/errors.md says what to do about each. */
export type ErrorCode =
  | 'BAD_FRAME'
  | 'UNKNOWN_EVENT'
  | 'BAD_RECIPIENT'
  | 'NO_RECIPIENT'
  | 'CONTENT_TOO_LARGE'
  | 'MAILBOX_FULL'
  | 'SENDER_QUOTA'
  | 'STORE_FULL'
  | 'RATE_LIMITED'
  | 'STORE_UNAVAILABLE'
  | 'NOT_ALLOWED'
  | 'NOT_RECORDED'
  | 'BAD_TOKEN'
  | 'AUTHENTICATION_UNAVAILABLE';

/**
 * What a SENDER_QUOTA is about: the sender's messages that wait in one mailbox, or in all mailboxes; or the conversations
 * that the sender has begun in 24 hours.
 */
export type QuotaScope = 'mailbox' | 'sender' | 'conversations';

/**
 * How soon a message matters [RFC 8030 5.3]. It never changes the order: it says who deserves a push, and whose message
 * a full mailbox drops first.
 */
export type Urgency = 'very-low' | 'low' | 'normal' | 'high';

/** What a client sends, by event. */
export interface ClientEvents {
  send: {
    readonly to: string;
    readonly content: string;
    readonly id?: string;
    /** What the application adds to the content. */
    readonly meta?: Readonly<Record<string, unknown>>;
    /** Whole seconds from the acceptance, after which it is not delivered; 0: only to a connection that is there now. */
    readonly ttl?: number;
    /** 1 to 32 of `A-Z a-z 0-9 _ -`: it replaces the message that waits with the same sender, recipient and topic. */
    readonly topic?: string;
    readonly urgency?: Urgency;
  };
  broadcast: { readonly content: string; readonly id?: string; readonly meta?: Readonly<Record<string, unknown>> };
  /** To the connections that the recipient has now; it is never stored. `data` is a value of JSON. */
  signal: { readonly to: string; readonly kind: string; readonly data?: unknown };
  /** Confirms every message up to this `seq`. */
  ack: { readonly seq: number };
  /** Asks whether the server is there. Pages cannot see the pings of the WebSocket protocol. */
  ping: Readonly<Record<string, never>>;
  /** A new token of the same user, before the one of this connection expires. */
  renew: { readonly token: string };
  /**
   * Asks for a page of a recorded conversation: the newest messages, or those before or after a position. `limit` is 1
   * to 200, 50 unless given.
   */
  history: {
    readonly id: string;
    readonly with: string;
    readonly before?: string;
    readonly after?: string;
    readonly limit?: number;
  };
  /**
   * Asks for what was recorded since a cursor, in all conversations of this user, received and sent; without a cursor
   * only for the cursor of now.
   */
  sync: { readonly id: string; readonly after?: string; readonly limit?: number };
  /** Asks for the conversations of this user, the newest first, or those before a position. */
  conversations: { readonly id: string; readonly before?: string; readonly limit?: number };
  /** This user has read the conversation up to this position. */
  read: { readonly with: string; readonly upTo: string };
}

/** What the server sends, by event. Clients ignore events and fields that they do not know. */
export interface ServerEvents {
  welcome: WireWelcome;
  message: WireMessage;
  /** What somebody does at this moment, such as `composing`: at most once, and never late. */
  signal: { readonly from: string; readonly kind: string; readonly data?: unknown };
  receipts: readonly WireReceipt[];
  endings: readonly WireEnding[];
  /** All that waited at the connect was written, so many messages; what follows is new. */
  'caught-up': { readonly delivered: number };
  pong: Readonly<Record<string, never>>;
  /** When the connection ends now (ISO 8601); null when it does not. */
  renewed: { readonly expiresAt: string | null };
  exception: WireException;
  history: WireHistory;
  sync: WireSync;
  conversations: WireConversations;
  mark: WireMark;
}

/** The first frame of a connection: who is connected, and the limits of the server. */
export interface WireWelcome {
  readonly user: string;
  readonly connectionId: string;
  /** Messages that wait for this user in the store; null if the store cannot be read. */
  readonly pending: number | null;
  readonly ackWindow: number;
  readonly maxContentBytes: number;
  /** The longest `meta`, as JSON in bytes of UTF-8; 0 when the server takes none. */
  readonly maxMetaBytes: number;
  readonly heartbeatMs: number;
  /** Messages that may be sent in a second; null when there is no limit. */
  readonly framesPerSecond: number | null;
  /** Messages that may be sent at once. */
  readonly frameBurst: number;
  /** Broadcasts that may be sent in a second, ten times as many at once; null when there is no limit. */
  readonly broadcastsPerSecond: number | null;
  /** Signals that may be sent in a second, twice as many at once; null when there is no limit. */
  readonly signalsPerSecond: number | null;
  /** How long messages are recorded, in milliseconds; null when they are not. */
  readonly recordMs: number | null;
  /** ISO 8601. */
  readonly serverTime: string;
}

/** A direct message, or a broadcast, which has `to: "*"` and no `seq`. */
export interface WireMessage {
  readonly seq?: number;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
  /** ISO 8601. */
  readonly sentAt: string;
  /** Whether the message had to wait, in the store or behind others. */
  readonly stored: boolean;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** When it is worth nothing any more (ISO 8601); only of a message with a `ttl`. */
  readonly expiresAt?: string;
  readonly topic?: string;
  readonly urgency?: Urgency;
  /** Where it stands in its conversation; only of a recorded message. */
  readonly position?: string;
  /** This user has sent it, from another connection: it has no `seq`, and there is nothing to confirm. */
  readonly echo?: true;
}

/**
 * A message in the record. Positions of one conversation are strings in its order; what they are made of is the
 * server's.
 */
export interface WireRecorded {
  readonly position: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Empty when it was erased. */
  readonly content: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** ISO 8601. */
  readonly sentAt: string;
  readonly erased?: true;
}

/** A page of a conversation, oldest first. `before` and `after` ask for the pages beside it; null where nothing follows. */
export interface WireHistory {
  readonly id: string;
  readonly items: readonly WireRecorded[];
  readonly before: string | null;
  readonly after: string | null;
}

/** What was recorded since a cursor, in the order of the commits. */
export interface WireSync {
  readonly id: string;
  readonly items: readonly WireRecorded[];
  /** The cursor of the next `sync`, to be kept. */
  readonly after: string;
  /** Whether more is there already. */
  readonly more: boolean;
  /** False when something since the cursor is not kept any more, or no cursor was given: ask for the conversations anew. */
  readonly complete: boolean;
}

/** The marks of a conversation are positions up to which a side has got it, or read it; null before the first. */
export interface WireConversation {
  readonly with: string;
  /** The position of its newest message. */
  readonly newest: string;
  /** Its newest message; null when it is not kept any more. */
  readonly last: WireRecorded | null;
  /** Messages of the other side behind one's own `read`, without what was erased; 1,000 stands for that and more. */
  readonly unread: number;
  readonly delivered: string | null;
  readonly read: string | null;
  readonly peerDelivered: string | null;
  readonly peerRead: string | null;
}

/** Conversations, the newest first. `before` asks for the next page; null when there is none. */
export interface WireConversations {
  readonly id: string;
  readonly items: readonly WireConversation[];
  readonly before: string | null;
}

/** How far `user`, the other side or oneself, has got the conversation with `with`, or has read it. It never goes back. */
export interface WireMark {
  readonly with: string;
  readonly user: string;
  readonly delivered?: string;
  readonly read?: string;
}

/** What a sender is told of its message. */
export interface WireReceipt {
  readonly id: string;
  /** `absent`: it had a `ttl` of 0, and nobody was there who confirmed it. */
  readonly status: 'delivered' | 'stored' | 'broadcast' | 'absent';
  /** ISO 8601. */
  readonly sentAt: string;
  /** Only of a broadcast: to how many connections it went. */
  readonly recipients?: number;
  /** Where it stands in its conversation; only of a recorded message. */
  readonly position?: string;
}

/** What became of a message that was stored: a hint for its sender, at most once. */
export interface WireEnding {
  readonly id: string;
  readonly to: string;
  readonly end: 'delivered' | 'expired' | 'purged' | 'evicted' | 'replaced';
}

/** Why a frame was refused. It never repeats what the client wrote. */
export interface WireException {
  readonly status: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether the same frame may succeed later. */
  readonly temporary: boolean;
  readonly scope?: QuotaScope;
  readonly id?: string;
}

/** A frame of either direction. */
export type FrameOf<Events> = { [E in keyof Events]: { readonly event: E; readonly data: Events[E] } }[keyof Events];
