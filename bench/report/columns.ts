import type { Figures, ScenarioName } from '../generator/job.js';
import { isOurs, PEERS, type PeerName } from '../peers/peers.js';

/** A column of a table. */
export interface Column {
  readonly figure: string;
  readonly title: string;
  /** Digits after the point. */
  readonly digits: number;
  /** Least and most are shown beside the median. */
  readonly hasSpread?: boolean;
}

const RATE: Column = { figure: 'perSecond', title: 'messages/s', digits: 0 };
const CPU: Column = { figure: 'cpuPerMillion', title: 'CPU s per million', digits: 1, hasSpread: true };
const LATENCY: readonly Column[] = [
  { figure: 'p50Ms', title: 'p50 ms', digits: 2 },
  { figure: 'p99Ms', title: 'p99 ms', digits: 1 },
];

/** The columns of each scenario. The first is what the rows are sorted by. */
export const COLUMNS: Readonly<Record<ScenarioName, readonly Column[]>> = {
  relay: [CPU, RATE, ...LATENCY],
  open: [CPU, ...LATENCY, RATE, { figure: 'lateP99Ms', title: 'written late p99 ms', digits: 2 }],
  broadcast: [CPU, { ...RATE, title: 'deliveries/s' }, ...LATENCY],
  cluster: [CPU, { figure: 'busCpuPerMillion', title: 'of it the bus', digits: 1 }, RATE, ...LATENCY],
  idle: [
    { figure: 'cpuMsPerConnect', title: 'CPU ms per connect', digits: 2, hasSpread: true },
    { figure: 'kibPerConnection', title: 'KiB each', digits: 1, hasSpread: true },
    { figure: 'connectsPerSecond', title: 'connects/s', digits: 0 },
  ],
  store: [
    CPU,
    { ...RATE, title: 'acknowledged/s' },
    { figure: 'ackP50Ms', title: 'ack p50 ms', digits: 1 },
    { figure: 'ackP99Ms', title: 'ack p99 ms', digits: 1 },
    { figure: 'loopLateP99Ms', title: 'event loop late p99 ms', digits: 1 },
  ],
  drain: [
    { figure: 'cpuMs', title: 'CPU ms', digits: 0 },
    { figure: 'firstMs', title: 'first ms', digits: 0 },
    { figure: 'lastMs', title: 'last ms', digits: 0, hasSpread: true },
    { figure: 'peakMib', title: 'MiB more at the peak', digits: 1 },
  ],
  reconnect: [
    { figure: 'cpuMs', title: 'CPU ms', digits: 0, hasSpread: true },
    { figure: 'allServedMs', title: 'all served ms', digits: 0, hasSpread: true },
    { figure: 'servedP50Ms', title: 'half served ms', digits: 0 },
    { figure: 'refused', title: 'refused', digits: 0 },
  ],
};

/** A figure of ours divided by that of a peer. */
export interface Comparison {
  readonly figure: string;
  readonly peer: PeerName;
  readonly title: string;
}

const SHORT = { 'bare-ws': 'bare `ws`', 'json-acks': '`ws` with acks', 'socket-io': 'Socket.IO', aedes: 'aedes' };
const cpuTo = (figure: string, ...peers: (keyof typeof SHORT)[]): Comparison[] =>
  peers.map((peer) => ({ figure, peer, title: `CPU ÷ ${SHORT[peer]}` }));

/** What the option `record` adds. */
const RECORDED: Comparison = { figure: 'cpuPerMillion', peer: 'holdfast-json', title: 'CPU ÷ Holdfast, JSON' };
const RELAYED = cpuTo('cpuPerMillion', 'bare-ws', 'json-acks', 'socket-io');

export const COMPARISONS: Readonly<Record<ScenarioName, readonly Comparison[]>> = {
  relay: [...RELAYED, RECORDED],
  open: [
    ...RELAYED,
    { figure: 'p99Ms', peer: 'bare-ws', title: 'p99 ÷ bare `ws`' },
    { figure: 'p99Ms', peer: 'json-acks', title: 'p99 ÷ `ws` with acks' },
  ],
  broadcast: RELAYED,
  cluster: [
    { figure: 'cpuPerMillion', peer: 'holdfast-json', title: 'CPU ÷ one server' },
    { figure: 'cpuPerMillion', peer: 'socket-io-redis', title: 'CPU ÷ Socket.IO' },
    { figure: 'cpuPerMillion', peer: 'socket-io-acks', title: 'CPU ÷ Socket.IO with acks' },
  ],
  idle: [
    ...cpuTo('cpuMsPerConnect', 'bare-ws', 'socket-io'),
    { figure: 'connectsPerSecond', peer: 'bare-ws', title: 'connects/s ÷ bare `ws`' },
  ],
  store: [
    ...cpuTo('cpuPerMillion', 'aedes'),
    RECORDED,
    { figure: 'perSecond', peer: 'aedes', title: 'acknowledged/s ÷ aedes' },
  ],
  drain: cpuTo('cpuMs', 'aedes'),
  reconnect: cpuTo('cpuMs', 'bare-ws', 'socket-io', 'aedes'),
};

/** Whether a row of `own` is compared with one of `peer`: what is ours, with others, and text with text alone. */
export function isCompared(own: PeerName, peer: PeerName): boolean {
  return isOurs(own) && own !== peer && (PEERS[own].language !== 'text' || PEERS[peer].language === 'text');
}

export function show(value: number | undefined, digits: number): string {
  if (value === undefined || value === null || Number.isNaN(value)) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A round in a few words, for the progress line. */
export function headline(figures: Figures): string {
  const column = Object.values(COLUMNS)
    .flat()
    .filter(({ figure }) => figures[figure] !== undefined)
    .filter(({ figure }, index, all) => all.findIndex((other) => other.figure === figure) === index);
  const others = `others ${show(figures['otherPercent'], 0)} %`;
  return `${column.map(({ figure, title, digits }) => `${title} ${show(figures[figure], digits)}`).join(', ')}; ${others}`;
}
