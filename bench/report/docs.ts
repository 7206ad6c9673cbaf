import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { PEERS, type PeerName } from '../peers/peers.js';
import { ROOT } from '../run/measured-server.js';
import type { Results, Row } from '../run/results.js';
import { pageOf } from './page.js';
import { bars, lines, type Bar, type Series } from './plot.js';
import { ratioOf, spreadOf } from './statistics.js';
import { scenarioOf } from './tables.js';

const PAGE = join(ROOT, 'docs/benchmarks.md');
const PLOTS = join(ROOT, 'docs/images/benchmarks');

/** Writes docs/benchmarks.md and its plots. */
export async function writeDocs(results: Results): Promise<void> {
  await mkdir(PLOTS, { recursive: true });
  // The plot of a variant that is not measured any more would stay for ever.
  for (const name of await readdir(PLOTS)) await rm(join(PLOTS, name));
  for (const [name, plot] of Object.entries(plotsOf(results))) await writeFile(join(PLOTS, `${name}.svg`), plot);
  const page = await format(pageOf(results), { ...(await resolveConfig(PAGE)), parser: 'markdown' });
  await writeFile(PAGE, page);
}

function plotsOf(results: Results): Record<string, string> {
  const of = (variant: string) => results.rows.filter((row) => row.variant === variant);
  const ratioBars = (variant: string, title: string) =>
    bars(
      title,
      'times as cheap as bare ws, by CPU time; longer is better',
      barsOf(of(variant), (row) => ratioOf(row, scenarioOf(variant, results), results)),
    );
  const cpu = (row: Row) => spreadOf(row, 'cpuPerMillion');
  const { growth, tables } = results.scale;
  const series = (['holdfast-json', 'holdfast-text', 'bare-ws'] as const).map((peer): Series => ({
    label: plain(peer),
    points: growth.flatMap((size) => {
      const spread = of(`G-${size}`)
        .filter((row) => row.peer === peer)
        .map(cpu)[0];
      return spread ? [[size, spread] as const] : [];
    }),
  }));
  const stored = tables.flatMap((rows) => {
    const spread = of('G-table')
      .filter((row) => row.rows === rows)
      .map(cpu)[0];
    return spread ? [[rows, spread] as const] : [];
  });
  return {
    'relay-16': ratioBars('A-16', 'Relay, 16 messages outstanding for each pair'),
    'relay-1': ratioBars('A-1', 'Relay, 1 message outstanding for each pair'),
    store: bars('Messages for users who are away', 'CPU seconds per million; shorter is better', barsOf(of('D'), cpu)),
    connections: lines(
      'CPU time by number of connections',
      'CPU seconds per million messages',
      growth,
      series.filter(({ points }) => points.length > 0),
    ),
    table: lines('CPU time to store a message, by rows in the table', 'CPU seconds per million messages', tables, [
      { label: plain('holdfast-json'), points: stored },
    ]),
  };
}

function barsOf(rows: readonly Row[], spreadFor: (row: Row) => Bar['spread'] | null): Bar[] {
  return rows
    .flatMap((row) => {
      const spread = spreadFor(row);
      return spread ? [{ label: plain(row.peer), spread, isOurs: row.peer.startsWith('holdfast') }] : [];
    })
    .toSorted((a, b) => b.spread.median - a.spread.median);
}

function plain(peer: PeerName): string {
  return PEERS[peer].title.replaceAll('`', '');
}
