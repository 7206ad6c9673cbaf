/** What all of our variables begin with; it says nothing of what was meant. */
const PREFIX = 'CHAT_';
/** So many letters may be missing, too many or other ones in a name that was meant to be another one, and half of a short one. */
const SLIPS = 3;

/** The variable that somebody meant who wrote this one; undefined when none is so close. */
export function closest(written: string, variables: readonly string[]): string | undefined {
  const allowed = Math.min(SLIPS, Math.floor((written.length - PREFIX.length) / 2));
  const [best] = variables
    .map((variable) => ({ variable, slips: distance(written.toUpperCase(), variable) }))
    .sort((one, other) => one.slips - other.slips);
  return best && best.slips <= allowed ? best.variable : undefined;
}

/** How many letters have to be put in, taken out or changed to make one word of the other (Levenshtein's distance). */
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
