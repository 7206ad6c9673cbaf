import { positionAt } from '../protocol/position.js';

/** What is further ahead of one's own clock than this, in milliseconds, is not believed. */
const AHEAD_MS = 10_000;

/**
 * Gives messages their positions in the record: a clock that only goes forward, and never stands behind what it has
 * seen. So a reply lies behind what it replies to, also where another node has given that its position. A position is
 * two times a tick, of which a millisecond has 2,048, and one of the two directions of the conversation: each direction
 * has one home at a time, so no two messages of a conversation have the same position.
 */
export class PositionClock {
  private last = 0;

  /** `now` returns milliseconds since 1970: in a cluster by the clock of its database. */
  constructor(private now: () => number) {}

  /** Goes by another clock from now on. */
  follow(now: () => number): void {
    this.now = now;
  }

  /** Returns the next position in this direction. */
  next(direction: 0 | 1): number {
    this.last = Math.max(positionAt(this.now()) / 2, this.last + 1);
    return this.last * 2 + direction;
  }

  /** No position up to this one is given any more: it is in the record. */
  pass(position: number): void {
    this.last = Math.max(this.last, Math.floor(position / 2));
  }

  /** Somebody has told this position; what lies too far ahead is not believed. */
  hear(position: number): void {
    if (position <= positionAt(this.now() + AHEAD_MS)) this.pass(position);
  }

  /** The highest position that was given, passed or heard. */
  get position(): number {
    return this.last * 2 + 1;
  }
}
