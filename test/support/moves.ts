import { expect, it } from '@jest/globals';

interface Machine<State extends string> {
  readonly state: State;
  moveTo(next: State): void;
}

/** Tries every move from every state: those of the table are made, and the others throw and change nothing. */
export function itMakesOnly<State extends string>(
  moves: Readonly<Record<State, readonly State[]>>,
  machineIn: (state: State) => Machine<State>,
): void {
  const states = Object.keys(moves) as State[];
  it.each(states.flatMap((from) => states.map((to) => [from, to] as const)))('from %s to %s', (from, to) => {
    const machine = machineIn(from);
    let problem: string | null = null;
    try {
      machine.moveTo(to);
    } catch (error) {
      problem = (error as Error).message;
    }
    const refusal = expect.stringMatching(new RegExp(`^no \\w+ goes from ${from} to ${to}$`));
    expect([problem, machine.state]).toEqual(moves[from].includes(to) ? [null, to] : [refusal, from]);
  });
}
