import type { ScenarioName } from '../generator/job.js';
import { PEERS } from '../peers/peers.js';
import { planOf } from '../run/plan.js';
import type { Results, Row } from '../run/results.js';
import { COLUMNS, COMPARED, show, type Column } from './columns.js';
import { noisyRounds, ratioOf, roundsAtLimit, spreadOf } from './statistics.js';

/** The table of one variant, cheapest first, with notes on its rows. */
export function variantTable(variant: string, results: Results): string {
  const rows = results.rows.filter((row) => row.variant === variant);
  const scenario = scenarioOf(variant, results);
  const columns = COLUMNS[scenario].filter(({ figure }) => rows.some((row) => spreadOf(row, figure)));
  const ratios = rows.map((row) => ratioOf(row, scenario, results));
  const hasRatio = ratios.some((ratio) => ratio !== null);
  const head = [
    'server',
    ...(hasRatio ? ['times as cheap as bare `ws`'] : []),
    ...columns.map(({ title }) => title),
    '',
  ];
  const cost = (row: Row) => spreadOf(row, COMPARED[scenario])?.median ?? Infinity;
  const body = rows
    .map((row, index) => ({ row, ratio: ratios[index] ?? null }))
    .toSorted((a, b) => cost(a.row) - cost(b.row))
    .map(({ row, ratio }) => [
      nameOf(row),
      ...(hasRatio ? [ratio ? `${show(ratio.median, 2)} (${show(ratio.least, 2)}–${show(ratio.most, 2)})` : '–'] : []),
      ...columns.map((column) => cell(row, column)),
      remarks(row, results),
    ]);
  return [head, head.map((_, index) => (index === 0 || index === head.length - 1 ? '---' : '---:')), ...body]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

export function scenarioOf(variant: string, results: Results): ScenarioName {
  const found = planOf(results.scale)
    .flatMap(({ variants }) => variants)
    .find(({ key }) => key === variant);
  if (!found)
    throw new Error(`the results have the scenario ${variant}, which there is no more; run the benchmark again`);
  return found.scenario;
}

function nameOf({ peer, rows }: Row): string {
  const name = peer.startsWith('holdfast') ? `**${PEERS[peer].title}**` : PEERS[peer].title;
  return rows > 0 ? `${name}, ${show(rows, 0)} rows of others` : name;
}

function cell(row: Row, { figure, digits, hasSpread }: Column): string {
  const spread = spreadOf(row, figure);
  if (!spread) return '–';
  const range = hasSpread ? ` (${show(spread.least, digits)}–${show(spread.most, digits)})` : '';
  return show(spread.median, digits) + range;
}

function remarks(row: Row, results: Results): string {
  const of = `of ${row.rounds.length} rounds`;
  const failed = row.rounds.filter((round) => round === null).length;
  const faults = results.faults.filter(({ text }) => text.startsWith(`${row.variant}, ${row.peer}:`));
  const missing = (['lost', 'repeated', 'disordered'] as const)
    .map((name) => [name, Math.max(0, ...row.rounds.map((round) => round?.[name] ?? 0))] as const)
    .filter(([, count]) => count > 0 && faults.length > 0)
    .map(([name, count]) => `up to ${show(count, 0)} ${name}`);
  return [
    ...missing,
    ...(failed > 0 ? [`failed in ${failed} ${of}`] : []),
    ...(roundsAtLimit(row) > 0 ? [`the generator was the limit in ${roundsAtLimit(row)} ${of}`] : []),
    ...(noisyRounds(row) > 0 ? [`noise in ${noisyRounds(row)}`] : []),
  ].join('; ');
}
