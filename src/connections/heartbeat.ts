import { CloseCode } from '../protocol/close-code.js';
import { Hold, type Reading } from './reading.js';

/** Why a heartbeat ends a connection: it is dead, or sends more than it may and answers nothing. */
export type Ending = typeof CloseCode.NO_PONG | typeof CloseCode.TOO_SLOW;

/**
 * Whether the peer of a connection lives: it answers a ping within a heartbeat. What was not read yet is neither silence
 * nor a sign of life: while something is unread the pong may be behind it, and a peer is dead only when it was read.
 */
export class Heartbeat {
  /** What became of the last ping; `looked for`: of what was unread something was read, and the pong was not in it yet. */
  private ping: 'answered' | 'asked' | 'looked for' = 'answered';

  constructor(private readonly reading: Reading) {}

  /** A pong came. */
  onPong(): void {
    this.ping = 'answered';
  }

  /** Asks for a pong when there is none to wait for; answers why to end the connection, or null. */
  beat(ask: () => void): Ending | null {
    if (this.reading.isHeldBut(Hold.QUEUE)) return null; // It may have answered already: we do not listen.
    const listened = this.reading.beat();
    if (this.ping === 'answered') {
      this.ping = 'asked';
      ask();
    } else if (listened) {
      return CloseCode.NO_PONG;
    } else if (this.reading.isHeld) {
      // Its queue is full, and drains whether it lives or not: it has to show that it does in what can be read beyond.
      if (this.reading.lookOnce()) this.ping = 'looked for';
      else if (this.ping === 'looked for') return CloseCode.TOO_SLOW;
    }
    return null;
  }
}
