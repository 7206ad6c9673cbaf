import type { Figures, ScenarioName } from '../generator/job.js';

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

export const COLUMNS: Readonly<Record<ScenarioName, readonly Column[]>> = {
  relay: [CPU, RATE, ...LATENCY],
  broadcast: [CPU, { ...RATE, title: 'deliveries/s' }, ...LATENCY],
  idle: [
    { figure: 'kibPerConnection', title: 'KiB each', digits: 1, hasSpread: true },
    { figure: 'cpuMsPerConnect', title: 'CPU ms per connect', digits: 2, hasSpread: true },
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
    { figure: 'firstMs', title: 'first ms', digits: 0 },
    { figure: 'lastMs', title: 'last ms', digits: 0, hasSpread: true },
    { figure: 'cpuMs', title: 'CPU ms', digits: 0 },
    { figure: 'peakMib', title: 'MiB more at the peak', digits: 1 },
  ],
  reconnect: [
    { figure: 'allServedMs', title: 'all served ms', digits: 0, hasSpread: true },
    { figure: 'servedP50Ms', title: 'half served ms', digits: 0 },
    { figure: 'cpuMs', title: 'CPU ms', digits: 0, hasSpread: true },
    { figure: 'refused', title: 'refused', digits: 0 },
  ],
};

/** The figure that peers are compared by. */
export const COMPARED: Readonly<Record<ScenarioName, string>> = {
  relay: 'cpuPerMillion',
  broadcast: 'cpuPerMillion',
  idle: 'cpuMsPerConnect',
  store: 'cpuPerMillion',
  drain: 'cpuMs',
  reconnect: 'cpuMs',
};

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
