import { Logger } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { HandshakeRefusal } from '../authentication/refusal.js';

/** Asked before an upgrade; throws a HandshakeRefusal to answer it with HTTP instead. */
export type UpgradeGuard = (request: IncomingMessage) => void | Promise<void>;

/** A WebSocket server whose owner may refuse a connection before it exists. */
export class GuardedWebSocketServer extends WebSocketServer {
  guard: UpgradeGuard = () => undefined;
}

/**
 * Nest's adapter for `ws`, with the upgrade in our own hands: a gateway is asked before the 101, every refusal is a
 * complete HTTP answer, a peer that resets in the middle harms nobody, and paths that are not ours are left to the other
 * listeners of the same HTTP server. A gateway without message handlers gets its frames raw. Other gateways of the
 * application work through it as they do through the stock adapter.
 */
export class ChatWsAdapter extends WsAdapter {
  protected override readonly logger = new Logger('ChatWsAdapter');
  private readonly servers = new Map<string, GuardedWebSocketServer>();
  private stopListening: (() => void) | null = null;

  override create(
    port: number,
    options: Record<string, unknown> & { path?: string; namespace?: string } = {},
  ): unknown {
    const { path = '/', namespace, server: _given, ...serverOptions } = options;
    if (port !== 0 || !this.httpServer || namespace) return super.create(port, options);
    const server = new GuardedWebSocketServer({ ...serverOptions, noServer: true });
    this.bindErrorHandler(server);
    this.servers.set(path.startsWith('/') ? path : `/${path}`, server);
    this.stopListening ??= this.listen(this.httpServer as Server);
    return server;
  }

  override bindErrorHandler(server: WebSocketServer): WebSocketServer {
    // A client's bad frame is no fault of ours: at the level of errors, strangers could fill the log.
    server.on('connection', (socket: WebSocket) => socket.on('error', (error) => this.logger.debug(String(error))));
    server.on('error', (error) => this.logger.error(error));
    // What `ws` itself refuses is answered in our shape, too.
    server.on('wsClientError', (error: Error, socket: Duplex) =>
      refuse(socket, new HandshakeRefusal(400, 'BAD_HANDSHAKE', `${error.message}; use a WebSocket client`)),
    );
    return server;
  }

  override bindMessageHandlers(...[client, handlers, transform]: Parameters<WsAdapter['bindMessageHandlers']>): void {
    // The stock pipeline parses every frame as JSON, even for a gateway that handles its frames itself.
    if (handlers.length > 0) super.bindMessageHandlers(client, handlers, transform);
  }

  override async close(server: WebSocketServer & { clients?: Set<WebSocket> }): Promise<void> {
    // Nest 11 takes it for granted that a server keeps its clients.
    if (server.clients) return super.close(server);
    await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
  }

  override async dispose(): Promise<void> {
    this.stopListening?.();
    this.servers.clear();
    await super.dispose();
  }

  private listen(httpServer: Server): () => void {
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Before anything else: a reset by the peer is an 'error' event, and without a listener it ends the process.
      socket.on('error', () => socket.destroy());
      const server = this.servers.get(pathOf(request));
      if (server) void this.upgrade(server, request, socket, head);
      else if (httpServer.listenerCount('upgrade') === 1)
        refuse(socket, new HandshakeRefusal(404, 'NO_SUCH_PATH', 'nothing is served here'));
    };
    httpServer.on('upgrade', onUpgrade);
    return () => httpServer.off('upgrade', onUpgrade);
  }

  private async upgrade(server: GuardedWebSocketServer, request: IncomingMessage, socket: Duplex, head: Buffer) {
    try {
      checkHandshake(request);
      await server.guard(request);
      if (socket.destroyed) return; // The peer did not wait for the answer of the guard.
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request));
    } catch (error) {
      if (socket.destroyed) return;
      if (!(error instanceof HandshakeRefusal)) this.logger.error(error);
      refuse(socket, error);
    }
  }
}

/** What RFC 6455 4.2.1 asks of a handshake beyond its key, which `ws` checks. */
function checkHandshake({ method, headers }: IncomingMessage): void {
  if (method !== 'GET') {
    throw new HandshakeRefusal(405, 'NOT_GET', 'a WebSocket is opened with GET', { Allow: 'GET' });
  }
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new HandshakeRefusal(426, 'UPGRADE_REQUIRED', 'this is the path of the WebSocket', { Upgrade: 'websocket' });
  }
  if (headers['sec-websocket-version'] !== '13') {
    throw new HandshakeRefusal(426, 'BAD_VERSION', 'only version 13 of WebSocket is spoken here', {
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
    });
  }
}

/** The path of a request as it was sent: only one slash leads it, so that no proxy's rule for `/chat` is side-stepped by `//x/chat`. */
function pathOf(request: IncomingMessage): string {
  return request.url!.split('?', 1)[0]!;
}

function refuse(socket: Duplex, error: unknown): void {
  const { statusCode, code, message, headers } =
    error instanceof HandshakeRefusal
      ? error
      : { statusCode: 500, code: 'SERVER_ERROR', message: 'the server failed; try again later', headers: {} };
  const body = JSON.stringify({ statusCode, code, message });
  const lines = Object.entries({
    Connection: 'close',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}
