import type { Spread } from './statistics.js';

/** Visible on white and on black. */
const INK = '#808080';
const FAINT = '#80808055';
const COLOURS = ['#2f81f7', '#d4762c', '#808080', '#3fa45b'];
const WIDTH = 720;
const FONT = 'font-family="system-ui, sans-serif" font-size="13"';

export interface Bar {
  readonly label: string;
  readonly spread: Spread;
  /** Drawn in the colour of this project. */
  readonly isOurs: boolean;
}

/** Bars from left to right, with a whisker from least to most. */
export function bars(title: string, unit: string, rows: readonly Bar[]): string {
  const [left, right, top, step] = [190, 60, 40, 26];
  const most = Math.max(...rows.map(({ spread }) => spread.most));
  const x = (value: number) => left + (value / most) * (WIDTH - left - right);
  const marks = rows.map(({ label, spread, isOurs }, index) => {
    const y = top + index * step;
    return [
      text(left - 8, y + 14, label, 'end'),
      `<rect x="${left}" y="${y + 2}" width="${round(x(spread.median) - left)}" height="16" fill="${isOurs ? COLOURS[0] : INK}"/>`,
      line(x(spread.least), y + 10, x(spread.most), y + 10, INK, 2),
      text(Math.max(x(spread.most), x(spread.median)) + 6, y + 14, short(spread.median)),
    ].join('\n');
  });
  return svg(top + rows.length * step + 10, `${title} (${unit})`, marks);
}

export interface Series {
  readonly label: string;
  readonly points: readonly (readonly [x: number, spread: Spread])[];
}

/** Lines over sizes, which stand at equal distances, with a whisker from least to most at each point. */
export function lines(title: string, unit: string, sizes: readonly number[], series: readonly Series[]): string {
  const [left, right, top, bottom, height] = [60, 150, 50, 40, 280];
  const all = series.flatMap(({ points }) => points.map(([, spread]) => spread.most));
  const most = Math.max(...all) * 1.05;
  const x = (size: number) =>
    left + (sizes.length > 1 ? (sizes.indexOf(size) / (sizes.length - 1)) * (WIDTH - left - right) : 0);
  const y = (value: number) => height - bottom - (value / most) * (height - bottom - top);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = most * part;
    return line(left, y(value), WIDTH - right, y(value), FAINT, 1) + text(left - 8, y(value) + 4, short(value), 'end');
  });
  const marks = series.map(({ label, points }, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const path = points.map(([size, { median }]) => `${round(x(size))},${round(y(median))}`).join(' ');
    const last = points.at(-1)!;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map(([size, { least, most: high }]) => line(x(size), y(least), x(size), y(high), colour, 2)),
      text(x(last[0]) + 10, y(last[1].median) + 4, label, 'start', colour),
    ].join('\n');
  });
  const names = sizes.map((size) => text(x(size), height - 16, size.toLocaleString('en'), 'middle'));
  return svg(height, `${title} (${unit})`, [...grid, ...marks, ...names]);
}

function svg(height: number, title: string, marks: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${FONT} role="img">`,
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
