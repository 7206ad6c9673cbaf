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

/** Nest's port number for the port of the application itself. */
const SHARED_PORT = 0;

type Bound = Parameters<WsAdapter['bindMessageHandlers']>;
type WsAdapterOptions = NonNullable<ConstructorParameters<typeof WsAdapter>[1]>;

/**
 * The options of a ChatWsAdapter: those of Nest's WsAdapter, and `others`. `messageParser` does not affect the chat.
 */
export interface ChatWsAdapterOptions extends WsAdapterOptions {
  /**
   * The adapter of all gateways except the chat's, such as `new IoAdapter(app)` for Socket.IO. Without it they use
   * plain WebSockets.
   */
  others?: AbstractWsAdapter;
}

/**
 * The WebSocket adapter of an application with a chat. Call `app.useWebSocketAdapter(new ChatWsAdapter(app))` before it
 * listens. It is Nest's adapter for `ws`, but routes the upgrades itself. A gateway decides before the 101, and every
 * refusal is a complete HTTP response. A peer that resets during the handshake harms nobody. Other paths are left to
 * the other upgrade listeners of the HTTP server.
 *
 * Other gateways of the application work as with Nest's adapter, and more safely. If a hook throws or rejects, its
 * client is closed with 1011, and nobody else is affected. The frames of a connection are handled one after the other,
 * and only after an asynchronous `handleConnection` is done. When the application closes, clients are closed with 1001.
 * As with Nest's adapter, a frame that is not JSON or has an unknown event is dropped, and there are no namespaces. The
 * next frame does not wait for what a handler does behind an interceptor, nor longer than a second for the first value
 * of an Observable.
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

  /**
   * Creates the WebSocket server of a gateway. Throws an Error, which stops the start, if two gateways have the same
   * path or one has a namespace.
   */
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
    // A server on a port of its own and without a path needs no router. Nest's adapter also refuses namespaces.
    if (namespace || (port !== SHARED_PORT && !path)) return super.create(port, options);
    const server = new GuardedWebSocketServer({ ...serverOptions, noServer: true });
    this.routerAt(port).add(normalPath(path ?? ''), server);
    this.own.add(server);
    server.on('connection', (client) => this.own.add(client));
    return this.bindErrorHandler(server);
  }

  override bindErrorHandler(server: WebSocketServer): WebSocketServer {
    // An invalid frame is the client's fault. Nest's adapter logs it as an error, so that strangers could fill the log.
    server.on('connection', (socket: WebSocket) => socket.on('error', (error) => this.logger.debug(String(error))));
    server.on('error', (error) => this.logger.error(error));
    // A refusal by `ws` itself gets a response in the shape of all refusals.
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
    // The chat has no handlers, since it handles its frames itself. Nest's adapter would parse each of them as JSON for
    // nothing.
    if (handlers.length === 0) return;
    const byEvent = new Map(handlers.map((handler) => [handler.message as string, handler]));
    handleInOrder(
      client as WebSocket,
      transform,
      (frame, eachResult) => this.bindMessageHandler(frame, byEvent, eachResult),
      this.logger,
    );
  }

  /** Closes all clients of a server with 1001, and waits until they are gone, at most 5 s. */
  override async close(server: WebSocketServer): Promise<void> {
    if (this.isOfOthers(server)) return this.others!.close(server);
    const closed = new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    // Only the chat's server has no list of clients; its gateway closes them.
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

  /** Runs once, when all gateways exist and none is bound: Nest creates the first server in between. */
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
