import { inNoContext } from '../options/no-context.js';

/** Something that has gathered what it writes in this turn of the event loop. */
export interface Turn {
  endTurn(): void;
}

/** Ends the turns of all connections at the end of a turn of the event loop: one timer serves all of them. */
export class EndOfTurn {
  private turns: Turn[] = [];

  /** Calls `endTurn` once, when the event loop has handled what came in this turn. */
  add(turn: Turn): void {
    if (this.turns.push(turn) === 1) inNoContext(() => setImmediate(() => this.endAll()));
  }

  private endAll(): void {
    const { turns } = this;
    this.turns = [];
    for (const turn of turns) turn.endTurn();
  }
}
