import { spawnSync } from 'node:child_process';
import type { ScenarioName } from '../generator/job.js';
import type { PeerName } from '../peers/peers.js';

/** How much is measured. Lists are of sizes. */
export interface Scale {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly settleSeconds: number;
  /** Of A: pairs x messages outstanding for each x bytes. */
  readonly shapes: readonly string[];
  /** Messages per second in H, where the load is open: senders do not wait for answers. */
  readonly rate: number;
  readonly openSeconds: number;
  /** Connections in H that all talk. */
  readonly talking: number;
  /** Connections in H of which a tenth talks, as in a channel. */
  readonly channel: number;
  readonly receivers: number;
  readonly idle: number;
  /** Of D: senders x messages outstanding for each x users who are away. */
  readonly stores: readonly string[];
  readonly pending: number;
  readonly clients: number;
  /** Messages of others in the table, in another round of E; 0 leaves it out. */
  readonly others: number;
  readonly growth: readonly number[];
  readonly tables: readonly number[];
  /** Of I: pairs x messages outstanding for each x bytes. */
  readonly clusterShapes: readonly string[];
  /** Messages per second in I, where the load is open. */
  readonly clusterRate: number;
  /** How many processes are one chat, beside one alone. */
  readonly processes: readonly number[];
}

export const FULL: Scale = {
  rounds: 7,
  seconds: 2,
  warmSeconds: 0.7,
  settleSeconds: 1,
  shapes: ['1000x2x64', '30x1x200', '50x4x64', '200x16x64', '120x8x200', '50x16x64', '50x16x1024'],
  rate: 5_000,
  openSeconds: 4,
  talking: 1_000,
  channel: 10_000,
  receivers: 1_000,
  idle: 10_000,
  stores: ['20x4x5000', '50x8x1000'],
  pending: 10_000,
  clients: 5_000,
  others: 0,
  growth: [10, 100, 1_000, 10_000],
  tables: [0, 100_000, 1_000_000],
  clusterShapes: ['50x16x64'],
  clusterRate: 2_000,
  processes: [2, 4],
};

export const QUICK: Scale = {
  ...FULL,
  rounds: 1,
  seconds: 1,
  openSeconds: 1,
  warmSeconds: 0.5,
  settleSeconds: 0.5,
  channel: 5_000,
  idle: 5_000,
  pending: 5_000,
  clients: 1_000,
  tables: [0, 100_000],
};

/** One way to run a scenario. */
export interface Variant {
  /** Its name in the results. */
  readonly key: string;
  readonly title: string;
  readonly scenario: ScenarioName;
  readonly parameters: Readonly<Record<string, number>>;
  /** Who runs it, of the group's entrants. */
  readonly peers: readonly PeerName[];
}

/** What is measured: a peer, the number of messages of others in its table, and how many processes it is; 1 if not said. */
export interface Entrant {
  readonly peer: PeerName;
  readonly rows: number;
  readonly processes?: number;
}

/** Variants that are run one after the other on each entrant's server, as far as it takes part in them. */
export interface Group {
  readonly letter: string;
  /** Is run before, and not counted: a server that has run for a while has its code compiled, also for the first variant. */
  readonly warmUp?: Pick<Variant, 'scenario' | 'parameters'>;
  readonly variants: readonly Variant[];
  readonly entrants: readonly Entrant[];
  /** Our store is on Postgres, and not on SQLite. */
  readonly isOnPostgres?: boolean;
}

const BYTES = 64;
const MQTT: readonly PeerName[] = spawnSync('mosquitto', ['-h']).error ? ['aedes'] : ['aedes', 'mosquitto'];
/** Ours and what they are compared with. */
const RIVALS: readonly PeerName[] = ['holdfast-text', 'holdfast-json', 'bare-ws', 'json-acks', 'socket-io'];
const RELAYS: readonly PeerName[] = [...RIVALS, 'nest-gateway', ...MQTT];
/** Without acknowledgements, the peer differs from the bare relay by its JSON alone. */
const CROWDS = RELAYS.filter((peer) => peer !== 'json-acks');
const STORES: readonly PeerName[] = ['holdfast-json', 'nest-gateway', ...MQTT];
const GROWING: readonly PeerName[] = ['holdfast-text', 'holdfast-json', 'bare-ws', 'json-acks'];

/** All that a full run measures. In the first of several sizes are all peers, in the others ours and their rivals. */
export function planOf(scale: Scale): Group[] {
  const { seconds, warmSeconds, rate, talking, channel } = scale;
  const relay = (parameters: object) => ({
    scenario: 'relay' as const,
    parameters: { seconds, warmSeconds, spread: 0, window: 1, bytes: BYTES, ...parameters },
  });
  const warmUp = relay({ pairs: 50, window: 16, seconds: 2 * warmSeconds });
  const open = (connections: number, talkers: number, mix: 0 | 1) => ({
    scenario: 'open' as const,
    parameters: { connections, talkers, mix, perSecond: rate, bytes: BYTES, seconds: scale.openSeconds, warmSeconds },
  });
  const shapes = scale.shapes.map((shape, index): Variant => {
    const [pairs, window, bytes] = numbersIn(shape);
    const title = `${thousands(pairs)} pairs, ${window} outstanding each, ${size(bytes)}`;
    return {
      key: `A-${shape}`,
      title,
      ...relay({ pairs, window, bytes }),
      peers: index === 0 ? [...RELAYS, 'holdfast-record'] : RIVALS,
    };
  });
  const stores = scale.stores.map((sizes, index): Variant => {
    const [senders, window, recipients] = numbersIn(sizes);
    return {
      key: `D-${sizes}`,
      title: `${thousands(senders)} senders with ${window} outstanding each write to ${thousands(recipients)} users who are away, ${BYTES} B`,
      scenario: 'store',
      parameters: { senders, recipients, window, bytes: BYTES, seconds, warmSeconds },
      peers: index === 0 ? [...STORES, 'holdfast-record'] : ['holdfast-json', 'aedes'],
    };
  });
  const loads: Variant[] = [
    {
      key: 'H-all',
      title: `${thousands(talking)} connections, ${thousands(rate)} messages/s, ${BYTES} B`,
      ...open(talking, talking, 0),
      peers: RELAYS,
    },
    {
      key: 'H-channel',
      title: `${thousands(channel)} connections, a tenth talks, ${thousands(rate)} messages/s`,
      ...open(channel, Math.ceil(channel / 10), 1),
      peers: RIVALS,
    },
  ];
  const reconnect = (key: string, title: string, pending: number, peers: readonly PeerName[]): Variant => ({
    key,
    title: `${thousands(scale.clients)} clients reconnect at once${title}`,
    scenario: 'reconnect',
    parameters: { clients: scale.clients, pending, bytes: BYTES },
    peers,
  });
  const drain: Variant = {
    key: 'E',
    title: `${thousands(scale.pending)} pending messages are fetched by one user`,
    scenario: 'drain',
    parameters: { pending: scale.pending, bytes: BYTES },
    peers: STORES,
  };
  const filled = (rows: number): Entrant => ({ peer: 'holdfast-json', rows });
  return [
    { ...group('A', shapes), warmUp },
    group('B', [
      {
        key: 'B',
        title: `one of ${thousands(scale.receivers)} connections writes to all, 4 outstanding, ${BYTES} B`,
        scenario: 'broadcast',
        parameters: { connections: scale.receivers, window: 4, bytes: BYTES, seconds, warmSeconds },
        peers: CROWDS,
      },
    ]),
    group('C', [
      {
        key: 'C',
        title: `${thousands(scale.idle)} connections that do nothing`,
        scenario: 'idle',
        parameters: { connections: scale.idle, settleSeconds: scale.settleSeconds },
        peers: CROWDS,
      },
    ]),
    // Each on a server of its own: what the first has stored would wait in the second.
    ...stores.map((store) => group('D', [store])),
    group('E', [drain], scale.others > 0 ? [filled(scale.others)] : []),
    group('F', [reconnect('F-0', '', 0, ['holdfast-json', 'bare-ws', 'nest-gateway', 'socket-io', ...MQTT])]),
    group('F', [reconnect('F-4', ', 4 messages wait for each', 4, STORES)]),
    group(
      'G',
      scale.growth.map((connections) => ({
        key: `G-${connections}`,
        title: `${thousands(connections)} connections, 5 messages outstanding in all`,
        ...relay({ pairs: connections / 2, window: 5, spread: 1 }),
        peers: GROWING,
      })),
    ),
    {
      letter: 'G',
      variants: stores.slice(0, 1).map((first) => ({
        ...first,
        key: 'G-table',
        title: 'the first of D, with messages of others in the table',
        peers: ['holdfast-json'],
      })),
      entrants: scale.tables.map(filled),
    },
    { ...group('H', loads), warmUp },
    clusterGroup(scale),
  ];
}

/** I: closed load, then open load of many connections, at home and then anywhere. */
function clusterGroup(scale: Scale): Group {
  const { seconds, openSeconds, warmSeconds, talking, clusterRate, processes } = scale;
  const alone: readonly PeerName[] = ['holdfast-json', 'socket-io'];
  const together: readonly PeerName[] = ['holdfast-redis', 'holdfast-postgres', 'socket-io-redis', 'socket-io-acks'];
  const places = (key: string, title: string, parameters: Record<string, number>): Variant[] =>
    [1, 0].map((atHome) => ({
      key: `I-${key}-${atHome ? 'home' : 'random'}`,
      title: `${title}, ${atHome ? 'both at home' : 'each on any process'}`,
      scenario: 'cluster',
      parameters: { ...parameters, warmSeconds, atHome },
      peers: [...alone, ...together],
    }));
  const closed = scale.clusterShapes.flatMap((shape) => {
    const [pairs, window, bytes] = numbersIn(shape);
    const title = `${thousands(pairs)} pairs, ${window} outstanding each, ${size(bytes)}`;
    return places(shape, title, { pairs, window, bytes, perSecond: 0, seconds });
  });
  const pairs = talking / 2;
  const title = `${thousands(talking)} connections, ${thousands(clusterRate)} messages/s, ${BYTES} B`;
  const open = { pairs, window: 0, bytes: BYTES, perSecond: clusterRate, seconds: openSeconds };
  const warmUp = {
    pairs: 50,
    window: 16,
    bytes: BYTES,
    perSecond: 0,
    seconds: 2 * warmSeconds,
    warmSeconds,
    atHome: 0,
  };
  return {
    letter: 'I',
    warmUp: { scenario: 'cluster', parameters: warmUp },
    variants: [...closed, ...places('open', title, open)],
    entrants: [
      ...alone.map((peer) => ({ peer, rows: 0, processes: 1 })),
      ...processes.flatMap((count) => together.map((peer) => ({ peer, rows: 0, processes: count }))),
    ],
    isOnPostgres: true,
  };
}

/** The peers that have a variant to run, and `others`. */
function group(letter: string, variants: readonly Variant[], others: readonly Entrant[] = []): Group {
  const peers = new Set(variants.flatMap((variant) => variant.peers));
  return { letter, variants, entrants: [...[...peers].map((peer) => ({ peer, rows: 0 })), ...others] };
}

/** The variants that an entrant runs. */
export function variantsOf({ variants }: Group, { peer }: Entrant): Variant[] {
  return variants.filter(({ peers }) => peers.includes(peer));
}

/** `1000x2x64` */
function numbersIn(sizes: string): [number, number, number] {
  return sizes.split('x').map(Number) as [number, number, number];
}

function size(bytes: number): string {
  return bytes % 1_024 === 0 ? `${bytes / 1_024} KiB` : `${bytes} B`;
}

function thousands(value: number): string {
  return value.toLocaleString('en');
}
