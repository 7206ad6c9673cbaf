import { Hold, type Reading } from './reading.js';

/**
 * What to do at a heartbeat: send a ping, wait for its pong, or close. A peer is `dead` if it does not reply, and
 * `flooding` if it sends more than it may and does not reply.
 */
export type Verdict = 'ask' | 'wait' | 'dead' | 'flooding';

/**
 * Finds out whether the peer of a connection is alive: whether it replies to a ping within a heartbeat. Only a peer
 * whose socket was read can be dead. Otherwise its pong may be among what is unread.
 */
export class Heartbeat {
  /**
   * What became of the last ping. `looked for` means that part of the unread bytes was read, and the pong was not among
   * them.
   */
  private ping: 'answered' | 'asked' | 'looked for' = 'answered';

  constructor(private readonly reading: Reading) {}

  handlePong(): void {
    this.ping = 'answered';
  }

  /** Returns what to do. Has to be called once per heartbeat. */
  beat(): Verdict {
    if (this.reading.isHeldBut(Hold.QUEUE | Hold.RECORD)) return 'wait'; // Its pong may be unread.
    const wasRead = this.reading.beat();
    if (this.ping === 'answered') {
      this.ping = 'asked';
      return 'ask';
    }
    if (wasRead) return 'dead';
    if (!this.reading.isHeld) return 'wait';
    // What waits is handled whether or not the peer is alive, so only the next bytes can show the pong.
    if (this.reading.lookOnce()) this.ping = 'looked for';
    else if (this.ping === 'looked for') return 'flooding';
    return 'wait';
  }
}
