import { Hold, type Reading } from './reading.js';

/** What a heartbeat finds: ask for a pong, wait for one, the peer is dead, or it sends more than it may and answers nothing. */
export type Verdict = 'ask' | 'wait' | 'dead' | 'flooding';

/**
 * Whether the peer of a connection lives: it answers a ping within a heartbeat. A peer whose socket was not read is
 * neither silent nor alive, as its pong may be among what is unread: only a peer that was read can be dead.
 */
export class Heartbeat {
  /** What became of the last ping; `looked for`: part of what was unread was read, and the pong was not in it yet. */
  private ping: 'answered' | 'asked' | 'looked for' = 'answered';

  constructor(private readonly reading: Reading) {}

  handlePong(): void {
    this.ping = 'answered';
  }

  /** To be called once a heartbeat. */
  beat(): Verdict {
    if (this.reading.isHeldBut(Hold.QUEUE)) return 'wait'; // It may have answered already, and was not heard.
    const wasRead = this.reading.beat();
    if (this.ping === 'answered') {
      this.ping = 'asked';
      return 'ask';
    }
    if (wasRead) return 'dead';
    if (!this.reading.isHeld) return 'wait';
    // Its queue is full, and drains whether the peer lives or not: the pong has to be among the next bytes.
    if (this.reading.lookOnce()) this.ping = 'looked for';
    else if (this.ping === 'looked for') return 'flooding';
    return 'wait';
  }
}
