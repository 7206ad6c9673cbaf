import type { PeerName } from '../peers/peers.js';
import type { Results, Row } from '../run/results.js';
import { dots } from './plot.js';
import { ratioOf, spreadOf } from './statistics.js';
import { ratioCell, tableOf } from './tables.js';

/** What ours is compared with in the first table and plot. */
const PANELS: readonly (readonly PeerName[])[] = [
  ['holdfast-text', 'bare-ws'],
  ['holdfast-json', 'json-acks', 'socket-io'],
];

const COLUMNS = [
  { own: 'holdfast-text', peer: 'bare-ws', title: 'text ÷ bare `ws`' },
  { own: 'holdfast-json', peer: 'json-acks', title: 'JSON ÷ `ws` with acks' },
  { own: 'holdfast-json', peer: 'socket-io', title: 'JSON ÷ Socket.IO' },
] as const;

/** The first screen of the page: every shape of relayed messages, ours beside its peers. */
export function glanceSection(results: Results): string {
  const body = shapesOf(results).map(({ title, rowOf }) => [
    title,
    ...COLUMNS.map(({ own, peer }) => {
      const row = rowOf(own);
      return ratioCell(row ? ratioOf(row, { figure: 'cpuPerMillion', peer }, results) : null);
    }),
  ]);
  return `## At a glance

![CPU time for each message](images/benchmarks/glance.svg)

The server's CPU time for a relayed message, ours divided by that of the peer (median, least and most of the rounds): below 1, ours is cheaper.

${tableOf(['shape', ...COLUMNS.map(({ title }) => title)], body)}`;
}

export function glancePlot(results: Results): string {
  const shapes = shapesOf(results);
  return dots(
    'Server CPU, µs for each message (further left is better)',
    shapes.map(({ title }) => title),
    PANELS.map((peers) =>
      peers.map((peer) => ({
        peer,
        spreads: shapes.map(({ rowOf }) => {
          const row = rowOf(peer);
          return row ? spreadOf(row, 'cpuPerMillion') : null;
        }),
      })),
    ),
  );
}

/** Open load first, as that is how people write; then the shapes of A in their order. */
function shapesOf({ rows }: Results): { title: string; rowOf: (peer: PeerName) => Row | undefined }[] {
  const shapes = new Map(
    ['H', 'A'].flatMap((letter) => rows.filter((row) => row.letter === letter).map((row) => [row.variant, row.title])),
  );
  return [...shapes].map(([variant, title]) => ({
    title,
    rowOf: (peer) => rows.find((row) => row.variant === variant && row.peer === peer),
  }));
}
