import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { withDeadline } from './deadline.js';

/** What happens to a statement on its way. */
export type Mishap =
  /** It is carried out, and the connection is reset instead of the result. */
  | 'reset-answer'
  /** It is carried out, and neither its answer nor anything else comes back, ever. */
  | 'swallow-answer'
  /** It is kept, and all that comes after it, until it is let go. */
  | 'hold';

/** A network in front of a Postgres that fails at a chosen statement. */
export class PostgresProxy {
  private readonly sockets = new Set<Socket>();
  private armed: { readonly statement: string; readonly mishap: Mishap } | null = null;
  private state: 'forwarding' | 'silent' | 'refusing' = 'forwarding';
  private held: { readonly server: Socket; readonly chunk: Buffer }[] = [];
  /** How many statements were hit. */
  mishaps = 0;
  /** How long answers take to come back, in milliseconds. */
  answerMs = 0;
  /** How many connections were opened. */
  connections = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: string,
  ) {
    server.on('connection', (client) => this.relay(client));
  }

  /** Starts it on a free port, in front of the socket of a server. */
  static async start(target: string): Promise<PostgresProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new PostgresProxy(server, target);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The next statement that contains this text is hit. Other connections are not affected. */
  failNext(statement: string, mishap: Mishap): void {
    this.armed = { statement, mishap };
  }

  /** What was to be hit and did not come is not hit any more. */
  spare(): void {
    this.armed = null;
  }

  /** From here on nothing is forwarded any more, on any connection. */
  silence(): void {
    this.state = 'silent';
  }

  /** Resets all connections, and every new one; resolves when the server has noticed. */
  async hangUp(): Promise<void> {
    this.state = 'refusing';
    const closed = [...this.sockets].map((socket) => once(socket, 'close'));
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(closed);
  }

  /** Forwards again what comes on new connections; those from before are reset. */
  goOn(): void {
    this.state = 'forwarding';
    for (const socket of this.sockets) socket.destroy();
  }

  /**
   * Forwards what was held, as a network that works again; resolves when the server has answered or closed the
   * connection.
   */
  async release(): Promise<void> {
    const heard = this.held
      .filter(({ server }) => !server.destroyed)
      .map(({ server }) => new Promise<void>((resolve) => server.once('data', () => resolve()).once('close', resolve)));
    for (const { server, chunk } of this.held) server.write(chunk);
    this.held = [];
    await withDeadline(Promise.all(heard), () => 'the server answers what was held, or hangs up');
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private relay(client: Socket): void {
    this.connections += 1;
    if (this.state === 'refusing') return void client.on('error', () => undefined).destroy();
    const server = connect(this.target);
    let mishap: Mishap | null = null;
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined); // 'close' follows.
      socket.on('close', () => this.sockets.delete(socket));
    }
    client.on('data', (chunk) => {
      if (this.state === 'silent') return;
      if (!mishap && this.armed && chunk.includes(this.armed.statement)) {
        ({ mishap } = this.armed);
        this.armed = null;
        this.mishaps += 1;
      }
      if (mishap === 'hold') this.held.push({ server, chunk });
      else server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (this.state === 'silent') return;
      if (mishap === null && this.answerMs === 0) client.write(chunk);
      else if (mishap === null) setTimeout(() => client.write(chunk), this.answerMs);
      else if (mishap === 'reset-answer') client.resetAndDestroy();
    });
    client.on('close', () => mishap === null && server.destroy());
    client.on('end', () => mishap === null && server.end());
    server.on('close', () => mishap === null && this.state !== 'silent' && client.destroy());
  }
}
