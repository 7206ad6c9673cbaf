import { HeldMessage, HELD_MOVES } from '../../src/delivery/held-message.js';
import { MailboxReader, READER_MOVES } from '../../src/delivery/mailbox-reader.js';

interface Machine {
  readonly state: string;
  moveTo(next: string): void;
}

/** Notes the moves of a state machine. It wraps `moveTo` while a test runs, so the server itself notes nothing. */
class MoveObserver {
  private readonly made = new Set<string>();

  constructor(
    private readonly prototype: Machine,
    private readonly moves: Readonly<Record<string, readonly string[]>>,
  ) {}

  /** Returns the function that ends it. */
  start(): () => void {
    const { prototype, made } = this;
    const moveTo = Object.getOwnPropertyDescriptor(prototype, 'moveTo')!.value as (next: string) => void;
    prototype.moveTo = function (this: Machine, next: string): void {
      const move = `${this.state} -> ${next}`;
      moveTo.call(this, next);
      made.add(move);
    };
    return () => {
      prototype.moveTo = moveTo;
    };
  }

  get missed(): string[] {
    const moves = Object.entries(this.moves).flatMap(([from, tos]) => tos.map((to) => `${from} -> ${to}`));
    return moves.filter((move) => !this.made.has(move));
  }
}

/** The moves of both state machines of delivery that are made while it is started. */
export class StateCoverage {
  private readonly observers = [
    new MoveObserver(HeldMessage.prototype, HELD_MOVES),
    new MoveObserver(MailboxReader.prototype, READER_MOVES),
  ];

  /** Returns the function that ends it. */
  start(): () => void {
    const ends = this.observers.map((observer) => observer.start());
    return () => ends.forEach((end) => end());
  }

  /** The moves that the tables allow and nothing made. With none missed every state was visited, too. */
  get missed(): string[] {
    return this.observers.flatMap((observer) => observer.missed);
  }
}
