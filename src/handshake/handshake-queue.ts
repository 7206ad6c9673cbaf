import type { Duplex } from 'node:stream';
import { TokenBucket } from '../connections/token-bucket.js';
import type { ChatOptions } from '../options/chat.options.js';
import { inNoContext } from '../options/no-context.js';

/** So many are admitted in one turn of the event loop: a few milliseconds of work, after which those who are connected have their turn. */
const ADMITTED_PER_TURN = 16;

/** How long anybody waits, in milliseconds; a client that waits longer has often given up, and its place is of no use to anybody. */
export const LONGEST_WAIT_MS = 5_000;

/** So many may wait. It is what a fast machine admits within the longest wait: whoever is further back would wait in vain. */
const LONGEST_LINE = 16_384;

/** What a line is told. */
export type LineOptions = Pick<ChatOptions, 'admissionsPerSecond' | 'clock'>;

interface Waiting {
  readonly since: number;
  answer(isAdmitted: boolean): void;
}

/**
 * The line in which handshakes wait for their turn, first come, first served. It keeps a storm of clients from holding up
 * those who are connected: each turn of the event loop admits a few, and what has come from the others is handled in
 * between. It promises nobody to be admitted, but everybody an answer in time.
 */
export class AdmissionLine {
  // In the order of arrival, and whoever leaves is found at once.
  private readonly waiting = new Set<Waiting>();
  private readonly tokens: TokenBucket | null;
  private readonly longest: number;
  private isTurnDue = false;
  private isClosed = false;

  constructor(private readonly options: LineOptions) {
    const { admissionsPerSecond: rate, clock } = options;
    this.tokens = rate === null ? null : new TokenBucket(rate, rate, clock.now());
    this.longest = rate === null ? LONGEST_LINE : Math.min(LONGEST_LINE, (rate * LONGEST_WAIT_MS) / 1000);
  }

  /** How many wait. */
  get length(): number {
    return this.waiting.size;
  }

  /** Waits for the turn of this peer; answers false when there is none: it would wait too long, it went away, or nobody is admitted any more. */
  enter(socket: Duplex): Promise<boolean> {
    if (this.isClosed || socket.destroyed || this.waiting.size >= this.longest) return Promise.resolve(false);
    return new Promise((resolve) => {
      const leave = () => waiting.answer(false);
      const waiting: Waiting = {
        since: this.options.clock.now(),
        answer: (isAdmitted) => {
          this.waiting.delete(waiting);
          socket.off('close', leave);
          resolve(isAdmitted);
        },
      };
      socket.once('close', leave);
      this.waiting.add(waiting);
      this.awaitTurn(true);
    });
  }

  /** Sends everybody away, and lets nobody in from here on. */
  close(): void {
    this.isClosed = true;
    for (const each of this.waiting) each.answer(false);
  }

  /** The next turn comes at once, or when there is a token again. */
  private awaitTurn(atOnce: boolean): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    const turn = () => {
      this.isTurnDue = false;
      this.admit();
    };
    if (atOnce) inNoContext(() => setImmediate(turn));
    else this.options.clock.after(1000 / this.options.admissionsPerSecond!, turn);
  }

  private admit(): void {
    const now = this.options.clock.now();
    let admitted = 0;
    let isOut = false;
    for (const each of this.waiting) {
      if (admitted === ADMITTED_PER_TURN) break;
      isOut = this.tokens?.take(now) === false;
      if (isOut) break;
      admitted += 1;
      each.answer(true);
    }
    for (const each of this.waiting) {
      if (now - each.since < LONGEST_WAIT_MS) break;
      each.answer(false);
    }
    if (this.waiting.size > 0) this.awaitTurn(!isOut);
  }
}
