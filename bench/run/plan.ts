import { spawnSync } from 'node:child_process';
import type { ScenarioName } from '../generator/job.js';
import type { PeerName } from '../peers/peers.js';

/** How much is measured. Lists are of sizes. */
export interface Scale {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly settleSeconds: number;
  readonly pairs: number;
  /** Messages per second, in the open loop of A. */
  readonly rate: number;
  readonly receivers: number;
  readonly idle: number;
  readonly senders: number;
  readonly away: number;
  readonly pending: number;
  readonly clients: number;
  /** Messages of others in the table, in another round of E; 0 leaves it out. */
  readonly others: number;
  readonly growth: readonly number[];
  readonly tables: readonly number[];
}

export const FULL: Scale = {
  rounds: 5,
  seconds: 2,
  warmSeconds: 0.7,
  settleSeconds: 1,
  pairs: 50,
  rate: 5_000,
  receivers: 1_000,
  idle: 10_000,
  senders: 50,
  away: 1_000,
  pending: 10_000,
  clients: 5_000,
  others: 0,
  growth: [10, 100, 1_000, 10_000],
  tables: [0, 100_000, 1_000_000],
};

export const QUICK: Scale = {
  ...FULL,
  rounds: 1,
  seconds: 1,
  warmSeconds: 0.5,
  settleSeconds: 0.5,
  idle: 5_000,
  pending: 5_000,
  clients: 1_000,
  tables: [0, 100_000],
};

/** One way to run a scenario. */
interface Variant {
  /** Its name in the results. */
  readonly key: string;
  readonly title: string;
  readonly scenario: ScenarioName;
  readonly parameters: Readonly<Record<string, number>>;
}

/** What is measured: a peer, and the number of messages of others in its table. */
export interface Entrant {
  readonly peer: PeerName;
  readonly rows: number;
}

/** Variants that are run one after the other on each entrant's server. */
export interface Group {
  readonly letter: string;
  readonly variants: readonly Variant[];
  readonly entrants: readonly Entrant[];
}

const BYTES = 64;
const MQTT: readonly PeerName[] = spawnSync('mosquitto', ['-h']).error ? ['aedes'] : ['aedes', 'mosquitto'];
const RELAYS: readonly PeerName[] = [
  'holdfast-text',
  'holdfast-json',
  'bare-ws',
  'json-acks',
  'nest-gateway',
  'socket-io',
  ...MQTT,
];
/** Without acknowledgements, the peer differs from the bare relay by its JSON alone. */
const CROWDS = RELAYS.filter((peer) => peer !== 'json-acks');
const STORES: readonly PeerName[] = ['holdfast-json', 'nest-gateway', ...MQTT];
const OURS: readonly PeerName[] = ['holdfast-json'];

/** All that a full run measures. */
export function planOf(scale: Scale): Group[] {
  const { seconds, warmSeconds, pairs, rate, senders, away: recipients } = scale;
  const closed = { pairs, seconds, warmSeconds, perSecond: 0, spread: 0, window: 16, bytes: BYTES };
  const relay = (key: string, title: string, parameters: object): Variant => ({
    key,
    title,
    scenario: 'relay',
    parameters: { ...closed, ...parameters },
  });
  const store: Variant = {
    key: 'D',
    title: `${senders} senders write to ${thousands(recipients)} users who are away, 8 outstanding each, ${BYTES} B`,
    scenario: 'store',
    parameters: { senders, recipients, window: 8, bytes: BYTES, seconds, warmSeconds },
  };
  const drain: Variant = {
    key: 'E',
    title: `${thousands(scale.pending)} pending messages are fetched by one user`,
    scenario: 'drain',
    parameters: { pending: scale.pending, bytes: BYTES },
  };
  const reconnect = (key: string, title: string, pending: number): Variant => ({
    key,
    title: `${thousands(scale.clients)} clients reconnect at once${title}`,
    scenario: 'reconnect',
    parameters: { clients: scale.clients, pending, bytes: BYTES },
  });
  return [
    group('A', RELAYS, [
      relay('A-16', `${pairs} pairs, 16 outstanding each, ${BYTES} B`, {}),
      relay('A-1', `${pairs} pairs, 1 outstanding each, ${BYTES} B`, { window: 1 }),
      relay('A-1KiB', `${pairs} pairs, 16 outstanding each, 1 KiB`, { bytes: 1_024 }),
      relay('A-rate', `${pairs} pairs, ${thousands(rate)} messages/s in all, ${BYTES} B`, { perSecond: rate }),
    ]),
    group('B', CROWDS, [
      {
        key: 'B',
        title: `one of ${thousands(scale.receivers)} connections writes to all, 4 outstanding, ${BYTES} B`,
        scenario: 'broadcast',
        parameters: { connections: scale.receivers, window: 4, bytes: BYTES, seconds, warmSeconds },
      },
    ]),
    group('C', CROWDS, [
      {
        key: 'C',
        title: `${thousands(scale.idle)} connections that do nothing`,
        scenario: 'idle',
        parameters: { connections: scale.idle, settleSeconds: scale.settleSeconds },
      },
    ]),
    group('D', STORES, [store]),
    {
      ...group('E', STORES, [drain]),
      entrants: [
        ...entrants(STORES),
        ...(scale.others > 0 ? [{ peer: 'holdfast-json' as const, rows: scale.others }] : []),
      ],
    },
    group('F', ['holdfast-json', 'bare-ws', 'nest-gateway', 'socket-io', ...MQTT], [reconnect('F-0', '', 0)]),
    group('F', STORES, [reconnect('F-4', ', 4 messages wait for each', 4)]),
    group(
      'G',
      ['holdfast-text', 'holdfast-json', 'bare-ws'],
      scale.growth.map((connections) =>
        relay(`G-${connections}`, `${thousands(connections)} connections, 5 messages outstanding in all`, {
          pairs: connections / 2,
          window: 5,
          spread: 1,
        }),
      ),
    ),
    {
      ...group('G', OURS, [{ ...store, key: 'G-table', title: `D, with messages of others in the table` }]),
      entrants: scale.tables.map((rows) => ({ peer: 'holdfast-json', rows })),
    },
  ];
}

function group(letter: string, peers: readonly PeerName[], variants: readonly Variant[]): Group {
  return { letter, variants, entrants: entrants(peers) };
}

function entrants(peers: readonly PeerName[]): Entrant[] {
  return peers.map((peer) => ({ peer, rows: 0 }));
}

function thousands(value: number): string {
  return value.toLocaleString('en');
}
