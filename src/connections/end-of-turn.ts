import { inNoContext } from '../options/no-context.js';

/** Something that buffers what it writes in a turn of the event loop. */
export interface Turn {
  endTurn(): void;
}

/** Ends the turns of all connections at the end of a turn of the event loop. One timer serves all of them. */
export class EndOfTurn {
  private turns: Turn[] = [];

  /** Calls `endTurn` once, after everything that arrived in this turn was handled. */
  add(turn: Turn): void {
    if (this.turns.push(turn) === 1) inNoContext(() => setImmediate(() => this.endAll()));
  }

  private endAll(): void {
    const { turns } = this;
    this.turns = [];
    for (const turn of turns) turn.endTurn();
  }
}
