import { isOurs, PEERS } from '../peers/peers.js';
import type { Results, Row } from '../run/results.js';
import { COLUMNS, COMPARISONS, show, type Column } from './columns.js';
import { noisyRounds, ratioOf, roundsAtLimit, spreadOf, type Spread } from './statistics.js';

/** The table of one variant, cheapest first, with notes on its rows. */
export function variantTable(variant: string, results: Results): string {
  const rows = results.rows.filter((row) => row.variant === variant);
  const { scenario } = rows[0]!;
  const [cost, ...others] = COLUMNS[scenario].filter(({ figure }) => rows.some((row) => spreadOf(row, figure)));
  const ratios = COMPARISONS[scenario].filter((comparison) => rows.some((row) => ratioOf(row, comparison, results)));
  const head = ['server', cost!.title, ...[...ratios, ...others].map(({ title }) => title), ''];
  const costOf = (row: Row) => spreadOf(row, cost!.figure)?.median ?? Infinity;
  const body = rows
    .toSorted((a, b) => costOf(a) - costOf(b))
    .map((row) => [
      nameOf(row),
      cell(row, cost!),
      ...ratios.map((comparison) => ratioCell(ratioOf(row, comparison, results))),
      ...others.map((column) => cell(row, column)),
      remarks(row, results),
    ]);
  return tableOf(head, body);
}

/** A table in Markdown. All but the first column and the one without a title are numbers. */
export function tableOf(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rule = head.map((title, index) => (index === 0 || title === '' ? '---' : '---:'));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function ratioCell(ratio: Spread | null): string {
  return ratio ? `${show(ratio.median, 2)} (${show(ratio.least, 2)}–${show(ratio.most, 2)})` : '';
}

function nameOf({ peer, rows, processes }: Row): string {
  const name = isOurs(peer) ? `**${PEERS[peer].title}**` : PEERS[peer].title;
  if (processes !== undefined) return `${name}, ${processes} ${processes === 1 ? 'process' : 'processes'}`;
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
