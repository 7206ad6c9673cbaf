import type { Figures } from '../generator/job.js';
import type { Results, Row } from '../run/results.js';
import { isCompared, type Comparison } from './columns.js';

/** A round is marked above this CPU use of other processes, in per cent of one core. */
const NOISE_PERCENT = 20;
/** The generator is the limit above this use of its core, in per cent. */
const LIMIT_PERCENT = 95;

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Summarises one figure over all rounds that have it; null when none has. */
export function spreadOf(row: Row, figure: string): Spread | null {
  return spread(row.rounds.map((round) => round?.[figure]));
}

/**
 * A figure of ours divided by that of a peer. Each round is compared with the peer's same round, when the state of the
 * machine is the same. Null where the two are not compared.
 */
export function ratioOf(
  row: Row,
  { figure, peer }: Pick<Comparison, 'figure' | 'peer'>,
  results: Results,
): Spread | null {
  const others = results.rows.filter((one) => one !== row && one.variant === row.variant && one.peer === peer);
  const other = others.find(({ processes }) => processes === row.processes) ?? others.find(isAlone);
  if (!other || !isCompared(row.peer, peer)) return null;
  return spread(row.rounds.map((round, index) => divide(round?.[figure], other.rounds[index]?.[figure])));
}

function isAlone({ processes = 1 }: Row): boolean {
  return processes === 1;
}

export function noisyRounds(row: Row): number {
  return count(row, 'otherPercent', NOISE_PERCENT);
}

export function roundsAtLimit(row: Row): number {
  return count(row, 'generatorPercent', LIMIT_PERCENT);
}

function count(row: Row, figure: string, above: number): number {
  return row.rounds.filter((round: Figures | null) => (round?.[figure] ?? 0) > above).length;
}

function divide(own: number | undefined, other: number | undefined): number | undefined {
  return own && other ? own / other : undefined;
}

// JSON has no NaN: it is null when it is read again.
function spread(values: readonly (number | null | undefined)[]): Spread | null {
  const sorted = values.filter((value) => typeof value === 'number' && Number.isFinite(value)) as number[];
  if (sorted.length === 0) return null;
  sorted.sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}
