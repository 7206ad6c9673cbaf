import type { Socket } from 'node:net';
import { TcpRelay, type Direction } from './tcp-relay.js';

/**
 * A TCP relay in front of a server. It can fall silent in the middle of a byte stream, like a cut cable or a dead NAT
 * entry. Then it goes on reading, so that no buffer fills, and forwards nothing more, not even the end of the
 * connection.
 */
export class SwallowingProxy extends TcpRelay {
  /** Bytes that were forwarded so far, over all connections. */
  readonly forwarded: Record<Direction, number> = { toServer: 0, toClient: 0 };
  /** Bytes that were read and kept. */
  readonly swallowed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  private readonly limits: Record<Direction, number> = { toServer: Infinity, toClient: Infinity };

  /** Starts it on a free port, in front of a server with an address such as `ws://127.0.0.1:34567/chat`. */
  static start(target: string): Promise<SwallowingProxy> {
    return new SwallowingProxy(target).listen();
  }

  /** Forwards `bytes` more bytes in this direction, and then none. */
  swallowAfter(direction: Direction, bytes: number): void {
    this.limits[direction] = this.forwarded[direction] + bytes;
  }

  protected override onData(chunk: Buffer, to: Socket, direction: Direction): void {
    const rest = Math.max(0, this.limits[direction] - this.forwarded[direction]);
    const forwarded = chunk.subarray(0, rest);
    this.forwarded[direction] += forwarded.length;
    this.swallowed[direction] += chunk.length - forwarded.length;
    if (forwarded.length > 0) to.write(forwarded);
  }

  protected override onEnd(to: Socket, direction: Direction): void {
    if (!this.isSilent(direction)) to.end();
  }

  protected override onReset(to: Socket, direction: Direction): void {
    if (!this.isSilent(direction)) to.destroy();
  }

  private isSilent(direction: Direction): boolean {
    return this.forwarded[direction] >= this.limits[direction];
  }
}
