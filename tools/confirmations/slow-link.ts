import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP relay in front of a server. Everything takes half of the round trip each way, the end of a connection too. */
export class SlowLink {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    private readonly roundTripMs: number,
  ) {
    server.on('connection', (client) => this.relay(client));
  }

  /** Starts it on a free port, in front of a server with an address such as `ws://127.0.0.1:34567/chat`. */
  static async start(target: string, roundTripMs: number): Promise<SlowLink> {
    const server = createServer({ allowHalfOpen: true });
    const link = new SlowLink(server, new URL(target), roundTripMs);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return link;
  }

  /** The same address, with the port of the link. */
  get url(): string {
    const url = new URL(this.target);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private relay(client: Socket): void {
    const server = connect({ host: this.target.hostname, port: Number(this.target.port), allowHalfOpen: true });
    this.pass(client, server);
    this.pass(server, client);
  }

  private pass(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.setNoDelay();
    from.on('data', (chunk) => this.later(() => to.write(chunk)));
    from.on('end', () => this.later(() => to.end()));
    from.on('error', () => undefined); // 'close' follows.
    from.on('close', (hadError) => {
      this.sockets.delete(from);
      if (hadError) this.later(() => to.destroy());
    });
  }

  /** Timers of the same length run in the order in which they were set, so nothing overtakes. */
  private later(pass: () => void): void {
    if (this.roundTripMs === 0) pass();
    else setTimeout(pass, this.roundTripMs / 2);
  }
}
