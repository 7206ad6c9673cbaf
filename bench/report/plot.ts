import { isOurs, PEERS, type PeerName } from '../peers/peers.js';
import type { Spread } from './statistics.js';

/** Visible on white and on black. */
const INK = '#808080';
const FAINT = '#80808055';
/** Ours are blue. */
const COLOURS: Readonly<Partial<Record<PeerName, string>>> = {
  'holdfast-json': '#2f81f7',
  'holdfast-text': '#79b8ff',
  'holdfast-record': '#1f6feb',
  'bare-ws': INK,
  'json-acks': '#d4762c',
  'socket-io': '#3fa45b',
  'holdfast-redis': '#2f81f7',
  'holdfast-postgres': '#79b8ff',
  'socket-io-redis': '#3fa45b',
  'socket-io-acks': '#d4762c',
};
const WIDTH = 720;
const FONT = 'font-family="system-ui, sans-serif" font-size="13"';

export interface Bar {
  readonly peer: PeerName;
  readonly spread: Spread;
}

/** Bars from left to right, with a whisker from least to most. */
export function bars(title: string, unit: string, rows: readonly Bar[]): string {
  const [left, right, top, step] = [190, 60, 40, 26];
  const most = Math.max(...rows.map(({ spread }) => spread.most));
  const x = (value: number) => left + (value / most) * (WIDTH - left - right);
  const marks = rows.map(({ peer, spread }, index) => {
    const y = top + index * step;
    return [
      text(left - 8, y + 14, plain(peer), 'end'),
      `<rect x="${left}" y="${y + 2}" width="${round(x(spread.median) - left)}" height="16" fill="${isOurs(peer) ? COLOURS[peer] : INK}"/>`,
      line(x(spread.least), y + 10, x(spread.most), y + 10, INK, 2),
      text(Math.max(x(spread.most), x(spread.median)) + 6, y + 14, short(spread.median)),
    ].join('\n');
  });
  return svg(top + rows.length * step + 10, `${title} (${unit})`, marks);
}

export interface Series {
  readonly peer: PeerName;
  readonly points: readonly (readonly [x: number, spread: Spread])[];
}

/** Lines over sizes, which stand at equal distances, with a whisker from least to most at each point. */
export function lines(title: string, unit: string, sizes: readonly number[], series: readonly Series[]): string {
  const [left, right, top, bottom, height] = [60, 250, 50, 40, 280];
  const all = series.flatMap(({ points }) => points.map(([, spread]) => spread.most));
  const steps = ticks(Math.max(...all));
  const most = steps.at(-1)!;
  const x = (size: number) =>
    left + (sizes.length > 1 ? (sizes.indexOf(size) / (sizes.length - 1)) * (WIDTH - left - right) : 0);
  const y = (value: number) => height - bottom - (value / most) * (height - bottom - top);
  const grid = steps.map(
    (value) =>
      line(left, y(value), WIDTH - right, y(value), FAINT, 1) + text(left - 8, y(value) + 4, short(value), 'end'),
  );
  const marks = series.map(({ peer, points }) => {
    if (points.length === 0) return '';
    const colour = colourOf(peer);
    const path = points.map(([size, { median }]) => `${round(x(size))},${round(y(median))}`).join(' ');
    const last = points.at(-1)!;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map(([size, { least, most: high }]) => line(x(size), y(least), x(size), y(high), colour, 2)),
      text(x(last[0]) + 10, y(last[1].median) + 4, plain(peer), 'start', colour),
    ].join('\n');
  });
  const names = sizes.map((size) => text(x(size), height - 16, size.toLocaleString('en'), 'middle'));
  return svg(height, `${title} (${unit})`, [...grid, ...marks, ...names]);
}

/** A peer, and its spread in each row. */
export interface Dots {
  readonly peer: PeerName;
  readonly spreads: readonly (Spread | null)[];
}

/** Panels beside each other over the same rows and the same scale: a dot for each series, ours first and on top. */
export function dots(title: string, rows: readonly string[], panels: readonly (readonly Dots[])[]): string {
  const [width, left, gap, top, step] = [930, 375, 40, 96, 26];
  const panelWidth = (width - left - 12 - gap * (panels.length - 1)) / panels.length;
  const spreads = panels.flat().flatMap((one) => one.spreads.filter((spread) => spread !== null));
  const steps = ticks(Math.max(...spreads.map(({ most }) => most)));
  const bottom = top + rows.length * step;
  const names = rows.map((name, row) => text(left - 14, top + row * step + 17, name, 'end'));
  const drawn = panels.map((panel, index) => {
    const start = left + index * (panelWidth + gap);
    const x = (value: number) => start + (value / steps.at(-1)!) * panelWidth;
    return [
      ...panel.map(({ peer }, one) => {
        const y = 44 + one * 16;
        return circle(start + 5, y - 4, peer) + text(start + 15, y, plain(peer), 'start', colourOf(peer));
      }),
      ...steps.map(
        (value) =>
          line(x(value), top - 6, x(value), bottom, FAINT, 1) + text(x(value), bottom + 18, short(value), 'middle'),
      ),
      ...panel.toReversed().flatMap(({ peer, spreads: own }) =>
        own.flatMap((spread, row) => {
          if (!spread) return [];
          const y = top + row * step + 13;
          return [line(x(spread.least), y, x(spread.most), y, colourOf(peer), 2), circle(x(spread.median), y, peer)];
        }),
      ),
    ].join('\n');
  });
  return svg(bottom + 28, title, [...names, ...drawn], width);
}

/** Round numbers from zero to `most` or a little above. */
function ticks(most: number): number[] {
  const least = most / 5;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= least)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function circle(x: number, y: number, peer: PeerName): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="5" fill="${colourOf(peer)}"/>`;
}

function colourOf(peer: PeerName): string {
  return COLOURS[peer] ?? INK;
}

function plain(peer: PeerName): string {
  return PEERS[peer].title.replaceAll('`', '');
}

function svg(height: number, title: string, marks: readonly string[], width = WIDTH): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${FONT} role="img">`,
    `<title>${escape(title)}</title>`,
    text(0, 18, title),
    ...marks,
    '</svg>\n',
  ].join('\n');
}

function text(x: number, y: number, value: string, anchor = 'start', colour = INK): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${colour}">${escape(value)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, width: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" stroke-width="${width}"/>`;
}

function short(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
