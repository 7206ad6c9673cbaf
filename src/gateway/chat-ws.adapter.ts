import { Logger, type INestApplicationContext } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { AbstractWsAdapter } from '@nestjs/websockets';
import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { EMPTY, firstValueFrom, fromEvent, isObservable, map, race, ReplaySubject, takeUntil, timer } from 'rxjs';
import { WebSocket, type MessageEvent, type WebSocketServer } from 'ws';
import { GuardedWebSocketServer, refuse, UpgradeRouter } from '../handshake/upgrade-router.js';
import { FrameQueue } from '../host-gateways/frame-queue.js';
import { guardGateways, normalPath, OF_CHAT } from '../host-gateways/gateway-hooks.js';
import { CloseCode } from '../protocol/close-code.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { noteAdapter } from './adapter-check.js';

/** How long a client has to answer a close frame before it is cut off, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** How long an Observable that a handler answers holds up the next frame until its first value, in milliseconds. */
const FIRST_VALUE_MS = 1_000;

/** The port of the application itself. */
const SHARED_PORT = 0;

type Bound = Parameters<WsAdapter['bindMessageHandlers']>;
type BoundHandler = Parameters<WsAdapter['bindMessageHandler']>;
type WsAdapterOptions = NonNullable<ConstructorParameters<typeof WsAdapter>[1]>;

/** What a ChatWsAdapter is told; `messageParser` is that of Nest's WsAdapter, and not for the chat. */
export interface ChatWsAdapterOptions extends WsAdapterOptions {
  /** Serves every gateway that is not the chat's, such as `new IoAdapter(app)` for Socket.IO; unless given, they are served over plain WebSockets. */
  others?: AbstractWsAdapter;
}

/**
 * The WebSocket adapter of an application with a chat: `app.useWebSocketAdapter(new ChatWsAdapter(app))`, before it
 * listens. It is Nest's adapter for `ws` with the upgrade in our own hands: a gateway is asked before the 101, every
 * refusal is a complete HTTP answer, a peer that resets in the middle harms nobody, and paths that are not ours are
 * left to the other listeners of the same HTTP server.
 *
 * Gateways of the application work through it as through Nest's, and more safely: a hook that throws or rejects costs
 * its client the connection (1011) and nobody else anything; the frames of a connection are handled one after the
 * other, and not before an asynchronous `handleConnection` is done; at the end clients get a close frame (1001). As with
 * Nest's adapter, a frame that is no JSON or of an unknown event is dropped, there are no namespaces, and what a handler
 * behind an interceptor, or an Observable, does after a second without a value is not waited for.
 */
export class ChatWsAdapter extends WsAdapter {
  protected override readonly logger = new Logger('ChatWsAdapter');
  private readonly others: AbstractWsAdapter | undefined;
  private readonly routers = new Map<number, UpgradeRouter>();
  /** Servers and clients that are served here when others serve the rest. */
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
    // A server of its own without a path is of `ws` alone, which has these matters in hand; namespaces are refused there.
    if (namespace || (port !== SHARED_PORT && !path)) return super.create(port, options);
    const server = new GuardedWebSocketServer({ ...serverOptions, noServer: true });
    this.routerAt(port).add(normalPath(path ?? ''), server);
    this.own.add(server);
    server.on('connection', (client) => this.own.add(client));
    return this.bindErrorHandler(server);
  }

  override bindErrorHandler(server: WebSocketServer): WebSocketServer {
    // A client's bad frame is no fault of ours: at the level of errors, strangers could fill the log.
    server.on('connection', (socket: WebSocket) => socket.on('error', (error) => this.logger.debug(String(error))));
    server.on('error', (error) => this.logger.error(error));
    // What `ws` itself refuses is answered in our shape, too.
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
    // The stock pipeline parses every frame as JSON, even for a gateway that handles its frames itself.
    if (handlers.length === 0) return;
    const socket = client as WebSocket;
    const byEvent = new Map(handlers.map((handler) => [handler.message as string, handler]));
    const left = new ReplaySubject<unknown>(1);
    fromEvent(socket, 'close').subscribe(left);
    const queue = FrameQueue.of(socket);
    socket.addEventListener('message', (frame) =>
      queue.push(() => this.answer(socket, frame, byEvent, transform, left)),
    );
  }

  /** Says goodbye to all clients of a server, and waits until they are gone, but not longer than 5 s. */
  override async close(server: WebSocketServer): Promise<void> {
    if (this.isOfOthers(server)) return this.others!.close(server);
    const closed = new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    // The clients of a server without a list of them are the matter of its gateway.
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

  /** What needs all gateways to be made, and none to be bound: Nest creates a server before it binds the first. */
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

  /** Resolves when a frame is handled and its first reply is written. */
  private async answer(
    client: WebSocket,
    frame: MessageEvent,
    handlers: BoundHandler[1],
    transform: BoundHandler[2],
    left: ReplaySubject<unknown>,
  ): Promise<void> {
    let handled: unknown;
    const replies = this.bindMessageHandler(frame, handlers, (result: unknown) => transform((handled = result)));
    // Whoever listens to Nest's gateways expects silence here; that it is not an error keeps strangers out of the log.
    if (replies === EMPTY) this.logger.debug('A frame was dropped: it is no JSON, or of an event that nobody handles.');
    const replied = new Promise<void>((resolve) =>
      replies
        .pipe(
          map((reply: unknown) => (reply === null || reply === undefined ? null : JSON.stringify(reply))),
          takeUntil(left),
        )
        .subscribe({
          next: (reply) => {
            if (reply !== null && client.readyState === WebSocket.OPEN) client.send(reply);
            resolve();
          },
          error: (error) => {
            this.logger.error(error);
            resolve();
          },
          complete: resolve,
        }),
    );
    const outcome = await Promise.resolve(handled).catch(() => null); // The replies have failed with it.
    await (isObservable(outcome) ? firstValueFrom(race(replied, timer(FIRST_VALUE_MS))) : replied);
  }
}
