import { Logger, type INestApplicationContext } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { AbstractWsAdapter } from '@nestjs/websockets';
import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { GuardedWebSocketServer, refuse, UpgradeRouter } from '../handshake/upgrade-router.js';
import { handleInOrder } from '../host-gateways/frame-queue.js';
import { guardGateways, normalPath, OF_CHAT } from '../host-gateways/gateway-hooks.js';
import { CloseCode } from '../protocol/close-code.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { noteAdapter } from './adapter-check.js';

/** How long a client may take to reply to a close frame before it is cut off, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** The port of the application itself. */
const SHARED_PORT = 0;

type Bound = Parameters<WsAdapter['bindMessageHandlers']>;
type WsAdapterOptions = NonNullable<ConstructorParameters<typeof WsAdapter>[1]>;

/** The options of a ChatWsAdapter; `messageParser` is that of Nest's WsAdapter, and not for the chat. */
export interface ChatWsAdapterOptions extends WsAdapterOptions {
  /**
   * The adapter of every gateway but the chat's, such as `new IoAdapter(app)` for Socket.IO. Without it they are served over
   * plain WebSockets.
   */
  others?: AbstractWsAdapter;
}

/**
 * The WebSocket adapter of an application with a chat: `app.useWebSocketAdapter(new ChatWsAdapter(app))`, before it
 * listens. It is Nest's adapter for `ws`, but routes the upgrades itself: a gateway decides before the 101, every refusal
 * is a complete HTTP response, a peer that resets in the middle harms nobody, and other paths are left to the other
 * listeners of the same HTTP server.
 *
 * Gateways of the application work with it as with Nest's, and more safely. A hook that throws or rejects closes its client
 * (1011), and nobody else notices. The frames of a connection are handled one after the other, and not before an
 * asynchronous `handleConnection` is done. When the application closes, clients get a close frame (1001). As with Nest's
 * adapter, a frame that is not JSON or of an unknown event is dropped, and there are no namespaces. The next frame does not
 * wait for what a handler does behind an interceptor, or for an Observable that has no value after a second.
 */
export class ChatWsAdapter extends WsAdapter {
  protected override readonly logger = new Logger('ChatWsAdapter');
  private readonly others: AbstractWsAdapter | undefined;
  private readonly routers = new Map<number, UpgradeRouter>();
  /** The servers and clients that this adapter serves itself when it has `others`. */
  private readonly own = new WeakSet<object>();
  private isPrepared = false;

  constructor(
    private readonly app: INestApplicationContext,
    { others, ...options }: ChatWsAdapterOptions = {},
  ) {
    super(app, options);
    this.others = others;
    noteAdapter(this.httpServer as Server);
  }

  /** Throws an Error, which stops the start, when two gateways are at one path or one has a namespace. */
  override create(
    port: number,
    options: Record<PropertyKey, unknown> & { path?: string; namespace?: string } = {},
  ): unknown {
    this.prepare();
    if (this.others && !(OF_CHAT in options)) {
      const create = () => this.others!.create(port, options) as unknown;
      return port === SHARED_PORT ? this.routerAt(SHARED_PORT).adopt(create) : create();
    }
    const { path, namespace, server: _given, ...serverOptions } = options;
    // Without a path, a server on a port of its own is left to `ws`, which needs no router. Namespaces are refused there.
    if (namespace || (port !== SHARED_PORT && !path)) return super.create(port, options);
    const server = new GuardedWebSocketServer({ ...serverOptions, noServer: true });
    this.routerAt(port).add(normalPath(path ?? ''), server);
    this.own.add(server);
    server.on('connection', (client) => this.own.add(client));
    return this.bindErrorHandler(server);
  }

  override bindErrorHandler(server: WebSocketServer): WebSocketServer {
    // A bad frame is the client's fault. Nest's adapter logs it as an error, so that strangers could fill the log.
    server.on('connection', (socket: WebSocket) => socket.on('error', (error) => this.logger.debug(String(error))));
    server.on('error', (error) => this.logger.error(error));
    // What `ws` itself refuses gets a response in the shape of all refusals.
    server.on('wsClientError', (error: Error, socket: Duplex) => {
      server.emit('refused', refuse(socket, refusals.badHandshake(error.message)));
    });
    return server;
  }

  override bindClientConnect(...[server, callback]: Parameters<WsAdapter['bindClientConnect']>): void {
    if (this.isOfOthers(server as object)) this.others!.bindClientConnect(server, callback);
    else super.bindClientConnect(server, callback);
  }

  override bindClientDisconnect(...[client, callback]: Parameters<WsAdapter['bindClientDisconnect']>): void {
    if (this.isOfOthers(client as object)) this.others!.bindClientDisconnect(client, callback);
    else super.bindClientDisconnect(client, callback);
  }

  override bindMessageHandlers(...[client, handlers, transform]: Bound): void {
    if (this.isOfOthers(client as object)) return void this.others!.bindMessageHandlers(client, handlers, transform);
    // The chat handles its frames itself. Nest's adapter would parse each of them as JSON, for no handler.
    if (handlers.length === 0) return;
    const byEvent = new Map(handlers.map((handler) => [handler.message as string, handler]));
    handleInOrder(
      client as WebSocket,
      transform,
      (frame, eachResult) => this.bindMessageHandler(frame, byEvent, eachResult),
      this.logger,
    );
  }

  /** Closes all clients of a server with 1001, and waits until they are gone, but not longer than 5 s. */
  override async close(server: WebSocketServer): Promise<void> {
    if (this.isOfOthers(server)) return this.others!.close(server);
    const closed = new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    // A server without a list of its clients is the chat's, whose gateway closes them.
    const clients = [...(server.clients ?? [])];
    for (const client of clients) client.close(CloseCode.GOING_AWAY, 'the server is going away');
    const terminate = setTimeout(() => clients.forEach((client) => client.terminate()), CLOSE_TIMEOUT_MS);
    await closed.finally(() => clearTimeout(terminate));
  }

  override async dispose(): Promise<void> {
    for (const router of this.routers.values()) router.stop();
    const ownPorts = [...this.routers].filter(([port]) => port !== SHARED_PORT);
    this.routers.clear();
    await Promise.all(ownPorts.map(([, { httpServer }]) => new Promise((resolve) => httpServer.close(resolve))));
    await this.others?.dispose();
    await super.dispose();
  }

  /** Does once what needs all gateways to be made and none to be bound: Nest creates the first server in between. */
  private prepare(): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    guardGateways(this.app);
    if (this.others) this.others.forceCloseConnections = this.forceCloseConnections;
  }

  private isOfOthers(serverOrClient: object): boolean {
    return this.others !== undefined && !this.own.has(serverOrClient);
  }

  private routerAt(port: number): UpgradeRouter {
    let router = this.routers.get(port);
    if (!router) {
      router = new UpgradeRouter(port === SHARED_PORT ? (this.httpServer as Server) : createServer().listen(port));
      this.routers.set(port, router);
    }
    return router;
  }
}
