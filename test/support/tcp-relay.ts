import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Which way bytes go. */
export type Direction = 'toServer' | 'toClient';

/** A TCP relay in front of a server, on a free port. Its subclass decides what it passes on, and when. */
export abstract class TcpRelay {
  private readonly server = createServer({ allowHalfOpen: true }, (client) => this.relay(client));
  private readonly sockets = new Set<Socket>();

  /** `target` is the address of the server, such as `ws://127.0.0.1:34567/chat`. */
  protected constructor(private readonly target: string) {}

  /** The same address, with the port of the relay. */
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

  protected async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  protected abstract onData(chunk: Buffer, to: Socket, direction: Direction): void;
  /** One side has ended. */
  protected abstract onEnd(to: Socket, direction: Direction): void;
  /** One side was reset. */
  protected abstract onReset(to: Socket, direction: Direction): void;

  private relay(client: Socket): void {
    const { hostname, port } = new URL(this.target);
    const server = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    this.pass(client, server, 'toServer');
    this.pass(server, client, 'toClient');
  }

  private pass(from: Socket, to: Socket, direction: Direction): void {
    this.sockets.add(from);
    from.setNoDelay();
    from.on('data', (chunk) => this.onData(chunk, to, direction));
    from.on('end', () => this.onEnd(to, direction));
    from.on('error', () => undefined); // 'close' follows.
    from.on('close', (hadError) => {
      this.sockets.delete(from);
      if (hadError) this.onReset(to, direction);
    });
  }
}
