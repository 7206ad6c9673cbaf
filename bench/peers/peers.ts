import type { LanguageName } from '../wire/languages.js';

/** A server that is measured. */
export interface Peer {
  readonly title: string;
  readonly language: LanguageName;
  /** Its file in this folder when it is compiled; null when it starts in another way. */
  readonly file: string | null;
  /** Its acknowledgements only mean that a message was handed on. The report says so beside its figures. */
  readonly note: string;
  /** What carries messages between its processes. */
  readonly bus?: 'redis' | 'postgres';
  /** What its process is given beside what all are given. */
  readonly env?: Readonly<Record<string, string>>;
}

export const PEERS = {
  'holdfast-text': { title: 'Holdfast, text', language: 'text', file: null, note: 'a pong of the recipient confirms' },
  'holdfast-json': {
    title: 'Holdfast, JSON',
    language: 'holdfast-json',
    file: null,
    note: 'receipts once the recipient acknowledged, or after the commit with `synchronous=FULL`',
  },
  'holdfast-record': {
    title: 'Holdfast, JSON, recorded',
    language: 'holdfast-json',
    file: null,
    note: 'with the option `record`: a receipt also says that the message is in the record',
    env: { CHAT_RECORD_MS: '90d', CHAT_RECORD_CONVERSATIONS_PER_DAY: 'none' },
  },
  'bare-ws': {
    title: 'bare `ws` relay',
    language: 'text',
    file: 'bare-ws.js',
    note: 'no checks, no acknowledgement, no store: the least that a relay can do',
  },
  'json-acks': {
    title: '`ws` relay, JSON with acks',
    language: 'json-acks',
    file: 'json-acks.js',
    note: 'one ack frame for each message from the recipient, one to the sender; no store',
  },
  'nest-gateway': {
    title: 'Nest gateway',
    language: 'nest',
    file: 'nest-gateway.js',
    note: '`@SubscribeMessage`; acknowledges when handed on, or after `repository.save` to SQLite',
  },
  'socket-io': {
    title: 'Socket.IO 4',
    language: 'socket-io',
    file: 'socket-io.js',
    note: 'acknowledges when handed on; no store',
  },
  'holdfast-redis': {
    title: 'Holdfast, JSON, over Redis',
    language: 'holdfast-json',
    file: null,
    note: 'receipts as with one server; the store of all nodes is one Postgres',
    bus: 'redis',
  },
  'holdfast-postgres': {
    title: 'Holdfast, JSON, over Postgres',
    language: 'holdfast-json',
    file: null,
    note: 'receipts as with one server; the store of all nodes is one Postgres',
    bus: 'postgres',
  },
  'socket-io-redis': {
    title: 'Socket.IO 4, Redis adapter',
    language: 'socket-io',
    file: 'socket-io-redis.js',
    note: 'acknowledges when handed on to Redis; no store',
    bus: 'redis',
  },
  'socket-io-acks': {
    title: 'Socket.IO 4, Redis adapter, with acks',
    language: 'socket-io',
    file: 'socket-io-acks.js',
    note: 'acknowledges when the recipient has, on whichever process; no store',
    bus: 'redis',
  },
  aedes: {
    title: 'aedes',
    language: 'mqtt',
    file: 'aedes.js',
    note: 'MQTT with QoS 1 over TCP; what waits is in memory',
  },
  mosquitto: {
    title: 'Mosquitto',
    language: 'mqtt',
    file: null,
    note: 'in C; MQTT with QoS 1 over TCP; what waits is in memory, saved every 30 minutes',
  },
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

/** A loss of one of these fails the run. */
export function isOurs(peer: PeerName): boolean {
  return peer.startsWith('holdfast');
}
