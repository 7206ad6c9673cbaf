import type { LanguageName } from '../wire/languages.js';

/** A server that is measured. */
export interface Peer {
  readonly title: string;
  readonly language: LanguageName;
  /** Its file in this folder when it is compiled; null when it starts in another way. */
  readonly file: string | null;
  /** Its acknowledgements only mean that a message was handed on. The report says so beside its figures. */
  readonly note: string;
}

export const PEERS = {
  'holdfast-text': { title: 'Holdfast, text', language: 'text', file: null, note: 'a pong of the recipient confirms' },
  'holdfast-json': {
    title: 'Holdfast, JSON',
    language: 'holdfast-json',
    file: null,
    note: 'receipts once the recipient acknowledged, or after the commit with `synchronous=FULL`',
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
