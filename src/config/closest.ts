/** All our variables begin with this, so it does not count as similarity. */
const PREFIX = 'CHAT_';
/** How many letters of a name may be wrong, missing or extra; in a short name, half of its letters. */
const SLIPS = 3;

/** Returns the variable that a misspelt one was probably meant to be; undefined when none is close. */
export function closest(written: string, variables: readonly string[]): string | undefined {
  const allowed = Math.min(SLIPS, Math.floor((written.length - PREFIX.length) / 2));
  const [best] = variables
    .map((variable) => ({ variable, slips: distance(written.toUpperCase(), variable) }))
    .sort((one, other) => one.slips - other.slips);
  return best && best.slips <= allowed ? best.variable : undefined;
}

/** Returns how many letters have to be inserted, removed or changed to make one word of the other (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= to.length; column += 1) {
      const change = row[column - 1]! + (from[line - 1] === to[column - 1] ? 0 : 1);
      next.push(Math.min(change, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
