import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { ROOT } from '../run/measured-server.js';
import type { PeerName } from '../peers/peers.js';
import type { Results, Row } from '../run/results.js';
import { glancePlot } from './glance.js';
import { pageOf } from './page.js';
import { bars, lines, type Bar, type Series } from './plot.js';
import { spreadOf } from './statistics.js';

/** Writes benchmarks.md and its plots into a folder. */
export async function writeDocs(results: Results, folder: string): Promise<void> {
  if (results.rows.some(({ scenario }) => !scenario))
    throw new Error('the results are of an older benchmark: run it again');
  const [file, images] = [join(folder, 'benchmarks.md'), join(folder, 'images/benchmarks')];
  const page = await format(pageOf(results), {
    ...(await resolveConfig(join(ROOT, 'docs/benchmarks.md'))),
    parser: 'markdown',
  });
  await mkdir(images, { recursive: true });
  // The plot of a variant that is not measured any more would stay for ever.
  for (const name of await readdir(images)) await rm(join(images, name));
  for (const [name, plot] of Object.entries(plotsOf(results)))
    if (page.includes(`${name}.svg`)) await writeFile(join(images, `${name}.svg`), plot);
  await writeFile(file, page);
}

function plotsOf(results: Results): Record<string, string> {
  const of = (variant: string) => results.rows.filter((row) => row.variant === variant);
  const cpu = (row: Row) => spreadOf(row, 'cpuPerMillion');
  const { growth, tables, stores } = results.scale;
  const series = (['holdfast-json', 'holdfast-text', 'bare-ws', 'json-acks'] as const).map((peer): Series => ({
    peer,
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
    glance: glancePlot(results),
    store: bars(
      'Messages for users who are away',
      'CPU seconds per million; shorter is better',
      barsOf(of(`D-${stores[0]}`), cpu),
    ),
    connections: lines('CPU time by number of connections', 'CPU seconds per million messages', growth, series),
    cluster: clusterPlot(results),
    table: lines('CPU time to store a message, by rows in the table', 'CPU seconds per million messages', tables, [
      { peer: 'holdfast-json', points: stored },
    ]),
    open: bars(
      `From written to delivered, ${of('H-all')[0]?.title}`,
      'p99 in ms; shorter is better',
      barsOf(of('H-all'), (row) => spreadOf(row, 'p99Ms')),
    ),
  };
}

/** The CPU time of a message under open load, each user on any process. */
function clusterPlot({ rows, scale }: Results): string {
  const processes = [1, ...(scale.processes ?? [])];
  const own = rows.filter(({ variant }) => variant === 'I-open-random');
  const pointsOf = (peer: PeerName) =>
    own.flatMap((row): Series['points'] => {
      const spread = row.peer === peer ? spreadOf(row, 'cpuPerMillion') : null;
      return spread ? [[row.processes!, spread]] : [];
    });
  // One process has no bus: each series begins with what it is without one.
  const series = CLUSTERS.map(([peer, alone]): Series => ({ peer, points: [...pointsOf(alone), ...pointsOf(peer)] }));
  return lines('CPU time by number of processes', 'CPU seconds per million messages', processes, series);
}

const CLUSTERS: readonly (readonly [PeerName, PeerName])[] = [
  ['holdfast-redis', 'holdfast-json'],
  ['holdfast-postgres', 'holdfast-json'],
  ['socket-io-redis', 'socket-io'],
  ['socket-io-acks', 'socket-io'],
];

function barsOf(rows: readonly Row[], spreadFor: (row: Row) => Bar['spread'] | null): Bar[] {
  return rows
    .flatMap((row) => {
      const spread = spreadFor(row);
      return spread ? [{ peer: row.peer, spread }] : [];
    })
    .toSorted((a, b) => a.spread.median - b.spread.median);
}
