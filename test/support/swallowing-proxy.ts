import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** Which way bytes go. */
export type Direction = 'toServer' | 'toClient';

/**
 * A TCP relay in front of a server. It can fall silent in the middle of a byte stream, like a cut cable or a dead NAT
 * entry. Then it goes on reading, so that no buffer fills, and forwards nothing more, not even the end of the
 * connection.
 */
export class SwallowingProxy {
  /** Bytes that were forwarded so far, over all connections. */
  readonly forwarded: Record<Direction, number> = { toServer: 0, toClient: 0 };
  /** Bytes that were read and kept. */
  readonly swallowed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  private readonly limits: Record<Direction, number> = { toServer: Infinity, toClient: Infinity };
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: string,
  ) {
    server.on('connection', (client) => this.relay(client));
  }

  /** Starts it on a free port, in front of a server with an address such as `ws://127.0.0.1:34567/chat`. */
  static async start(target: string): Promise<SwallowingProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new SwallowingProxy(server, target);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** The same address, with the port of the proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Forwards `bytes` more bytes in this direction, and then none. */
  swallowAfter(direction: Direction, bytes: number): void {
    this.limits[direction] = this.forwarded[direction] + bytes;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private relay(client: Socket): void {
    const { hostname, port } = new URL(this.target);
    const server = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    this.pass(client, server, 'toServer');
    this.pass(server, client, 'toClient');
  }

  private pass(from: Socket, to: Socket, direction: Direction): void {
    this.sockets.add(from);
    from.setNoDelay();
    from.on('data', (chunk) => {
      const rest = Math.max(0, this.limits[direction] - this.forwarded[direction]);
      const forwarded = chunk.subarray(0, rest);
      this.forwarded[direction] += forwarded.length;
      this.swallowed[direction] += chunk.length - forwarded.length;
      if (forwarded.length > 0) to.write(forwarded);
    });
    from.on('end', () => this.isSilent(direction) || to.end());
    from.on('error', () => undefined); // 'close' follows.
    from.on('close', (hadError) => {
      this.sockets.delete(from);
      if (!this.isSilent(direction) && hadError) to.destroy();
    });
  }

  private isSilent(direction: Direction): boolean {
    return this.forwarded[direction] >= this.limits[direction];
  }
}
