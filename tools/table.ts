export type Row = readonly [name: string, figure: number | string, note?: string | undefined];

/** Counters in one column, with notes. */
export function table(rows: readonly Row[]): string {
  const names = Math.max(...rows.map(([name]) => name.length));
  const figures = Math.max(...rows.map(([, figure]) => String(figure).length));
  return rows
    .map(
      ([name, figure, note]) =>
        `${name.padEnd(names)}  ${String(figure).padStart(figures)}${note ? `  ${note}` : ''}\n`,
    )
    .join('');
}
