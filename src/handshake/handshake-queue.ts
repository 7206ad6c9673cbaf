import type { Duplex } from 'node:stream';
import { TokenBucket } from '../connections/token-bucket.js';
import type { ChatOptions } from '../options/chat.options.js';
import { inNoContext } from '../options/no-context.js';

/**
 * How many handshakes leave the queue in one turn of the event loop: a few milliseconds of work. Then the frames of the
 * open connections are handled.
 */
const PER_TURN = 16;

/** Longest wait, in milliseconds. Clients that wait longer have usually given up. */
const MAX_WAIT_MS = 5_000;

/** How many handshakes may wait: as many as a fast machine accepts within the longest wait. */
const MAX_LENGTH = 16_384;

/** The options of the queue. */
export type QueueOptions = Pick<ChatOptions, 'handshakesPerSecond' | 'clock'>;

interface Waiting {
  readonly since: number;
  leave(hasTurn: boolean): void;
}

/**
 * The queue in which handshakes wait for their turn, first come, first served. It keeps a storm of clients from holding
 * up the open connections: each turn of the event loop lets a few handshakes go on, and the frames of the open
 * connections are handled in between. Not every handshake gets a turn, but each gets a decision in time.
 */
export class HandshakeQueue {
  /** In the order of arrival. A Set, so that a client that leaves is removed at once. */
  private readonly waiting = new Set<Waiting>();
  private readonly tokens: TokenBucket | null;
  private readonly maxLength: number;
  private isTurnDue = false;
  private isClosed = false;

  constructor(private readonly options: QueueOptions) {
    const { handshakesPerSecond: rate, clock } = options;
    this.tokens = rate === null ? null : new TokenBucket(rate, rate, clock.now());
    this.maxLength = rate === null ? MAX_LENGTH : Math.min(MAX_LENGTH, (rate * MAX_WAIT_MS) / 1000);
  }

  /** How many wait. */
  get length(): number {
    return this.waiting.size;
  }

  /**
   * Waits for the turn of this peer. Resolves to false if it gets none: the wait would be too long, the peer left, or
   * the queue was closed.
   */
  enter(socket: Duplex): Promise<boolean> {
    if (this.isClosed || socket.destroyed || this.waiting.size >= this.maxLength) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onClose = () => waiting.leave(false);
      const waiting: Waiting = {
        since: this.options.clock.now(),
        leave: (hasTurn) => {
          this.waiting.delete(waiting);
          socket.off('close', onClose);
          resolve(hasTurn);
        },
      };
      socket.once('close', onClose);
      this.waiting.add(waiting);
      this.scheduleTurn('at once');
    });
  }

  /** Ends the wait of all handshakes, and refuses new ones. */
  close(): void {
    this.isClosed = true;
    for (const each of this.waiting) each.leave(false);
  }

  private scheduleTurn(when: 'at once' | 'with the next token'): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    const turn = () => {
      this.isTurnDue = false;
      this.takeTurn();
    };
    if (when === 'at once') inNoContext(() => setImmediate(turn));
    else this.options.clock.after(1000 / this.options.handshakesPerSecond!, turn);
  }

  private takeTurn(): void {
    const now = this.options.clock.now();
    let left = 0;
    let hasNoToken = false;
    for (const each of this.waiting) {
      if (left === PER_TURN) break;
      hasNoToken = this.tokens?.take(now) === false;
      if (hasNoToken) break;
      left += 1;
      each.leave(true);
    }
    for (const each of this.waiting) {
      if (now - each.since < MAX_WAIT_MS) break;
      each.leave(false);
    }
    if (this.waiting.size > 0) this.scheduleTurn(hasNoToken ? 'with the next token' : 'at once');
  }
}
