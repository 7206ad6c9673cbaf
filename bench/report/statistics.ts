import type { Figures, ScenarioName } from '../generator/job.js';
import { REFERENCE } from '../peers/peers.js';
import type { Results, Row } from '../run/results.js';
import { COMPARED } from './columns.js';

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
 * How many times cheaper than the reference. Each round is compared with the reference in the same round, when the
 * state of the machine is the same.
 */
export function ratioOf(row: Row, scenario: ScenarioName, results: Results): Spread | null {
  const figure = COMPARED[scenario];
  const reference = results.rows.find(
    ({ variant, peer, rows }) => variant === row.variant && peer === REFERENCE && rows === 0,
  );
  return spread(row.rounds.map((round, index) => divide(reference?.rounds[index]?.[figure], round?.[figure])));
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

function divide(reference: number | undefined, own: number | undefined): number | undefined {
  return reference && own ? reference / own : undefined;
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
