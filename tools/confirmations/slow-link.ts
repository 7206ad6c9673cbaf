import type { Socket } from 'node:net';
import { TcpRelay } from '../../test/support/tcp-relay.js';

/** A TCP relay in front of a server. Everything takes half of the round trip each way, the end of a connection too. */
export class SlowLink extends TcpRelay {
  private constructor(
    target: string,
    private readonly roundTripMs: number,
  ) {
    super(target);
  }

  /** Starts it on a free port, in front of a server with an address such as `ws://127.0.0.1:34567/chat`. */
  static start(target: string, roundTripMs: number): Promise<SlowLink> {
    return new SlowLink(target, roundTripMs).listen();
  }

  protected override onData(chunk: Buffer, to: Socket): void {
    this.later(() => to.write(chunk));
  }

  protected override onEnd(to: Socket): void {
    this.later(() => to.end());
  }

  protected override onReset(to: Socket): void {
    this.later(() => to.destroy());
  }

  /** Timers of the same length run in the order in which they were set, so nothing overtakes. */
  private later(pass: () => void): void {
    if (this.roundTripMs === 0) pass();
    else setTimeout(pass, this.roundTripMs / 2);
  }
}
