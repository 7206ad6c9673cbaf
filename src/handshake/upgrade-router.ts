import { Logger } from '@nestjs/common';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { HandshakeRefusal, refusals } from '../protocol/handshake-refusal.js';
import { ignoreForeignUpgrades } from './foreign-upgrades.js';

/**
 * Accepts an upgrade, or throws a HandshakeRefusal to respond with HTTP instead. What it returns is passed on as the
 * third argument of the event `connection`.
 */
export type UpgradeGuard = (request: IncomingMessage) => unknown;

/** A WebSocket server whose owner may refuse a handshake. It emits `refused` with the code of each refusal. */
export class GuardedWebSocketServer extends WebSocketServer {
  guard: UpgradeGuard = () => undefined;
}

/** How many headers Node reads. It drops the rest. */
const MAX_HEADERS = 1_000;

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Routes the upgrades of one HTTP server to WebSocket servers by their path. An upgrade of another path is left to the
 * other listeners of the HTTP server, or is refused with 404 if there are none. A peer that resets its connection
 * during the handshake harms nobody.
 */
export class UpgradeRouter {
  private readonly logger = new Logger('ChatWsAdapter');
  private readonly servers = new Map<string, GuardedWebSocketServer>();
  /** Other upgrade listeners, for the paths that are not served here. */
  private readonly otherListeners: UpgradeListener[] = [];
  private readonly restoreForeignUpgrades: () => void;

  constructor(readonly httpServer: Server) {
    httpServer.on('upgrade', this.onUpgrade);
    this.restoreForeignUpgrades = ignoreForeignUpgrades(httpServer);
  }

  /** Serves a path; throws an Error if another server has it. */
  add(path: string, server: GuardedWebSocketServer): void {
    if (this.servers.has(path)) throw new Error(`Two gateways are at ${path}; give one of them a path of its own.`);
    this.servers.set(path, server);
  }

  /**
   * Runs `attach`, and moves the upgrade listeners that it adds behind this router, so that they only get requests for
   * other paths. Otherwise Socket.IO would close the clients of this router after a second: it closes every upgraded
   * connection that is not its own and has no response by then.
   */
  adopt<Result>(attach: () => Result): Result {
    const before = this.httpServer.listeners('upgrade');
    const result = attach();
    for (const listener of this.httpServer.listeners('upgrade') as UpgradeListener[]) {
      if (before.includes(listener)) continue;
      this.httpServer.off('upgrade', listener);
      this.otherListeners.push(listener);
    }
    return result;
  }

  stop(): void {
    this.restoreForeignUpgrades();
    this.httpServer.off('upgrade', this.onUpgrade);
  }

  private readonly onUpgrade: UpgradeListener = (request, socket, head) => {
    // This has to be first: a reset by the peer is an 'error' event, which ends the process if nobody listens.
    socket.on('error', destroy);
    const server = this.servers.get(pathOf(request));
    if (server) return void this.upgrade(server, request, socket, head);
    for (const listener of this.otherListeners) listener.call(this.httpServer, request, socket, head);
    if (this.otherListeners.length === 0 && this.httpServer.listenerCount('upgrade') === 1)
      refuse(socket, refusals.noSuchPath());
  };

  private async upgrade(server: GuardedWebSocketServer, request: IncomingMessage, socket: Duplex, head: Buffer) {
    try {
      checkHandshake(request);
      const accepted = await server.guard(request);
      if (socket.destroyed) return; // The peer did not wait for the guard.
      socket.cork(); // The response to the handshake and the first frames leave in one system call.
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request, accepted));
      socket.uncork();
    } catch (error) {
      if (socket.destroyed) return;
      if (!(error instanceof HandshakeRefusal)) this.logger.error(error);
      server.emit('refused', refuse(socket, error));
    }
  }
}

/** One listener for all sockets, because it stays as long as the connection. */
function destroy(this: Duplex): void {
  this.destroy();
}

/** Checks what RFC 6455 4.2.1 asks of a handshake, except the key, which `ws` checks. */
function checkHandshake(request: IncomingMessage): void {
  const { method, headers } = request;
  if (method !== 'GET') throw refusals.notGet();
  checkRequest(request);
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw refusals.upgradeRequired();
  if (headers['sec-websocket-version'] !== '13') throw refusals.badVersion();
}

/** Checks what Node checks for every request except an upgrade. */
function checkRequest({ httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== '1.1') throw refusals.badHandshake('a WebSocket is opened with HTTP/1.1');
  // Names and values alternate. A header beyond the limit was not read, and could be the `Origin`.
  if (rawHeaders.length > 2 * MAX_HEADERS) throw refusals.badHandshake('there are too many headers');
  const hosts = rawHeaders.filter((name, n) => n % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host');
  if (hosts.length !== 1) throw refusals.badHandshake('there has to be one Host header'); // [RFC 9112 3.2]
  // A proxy would take for a body what the server takes for frames.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    throw refusals.badHandshake('there may be no body');
  }
}

/** The part of an absolute target before its path [RFC 9112 3.2.2]. */
const AUTHORITY = /^(?:https?|wss?):\/\/[^/?#]*/i;

/**
 * Returns the path of a request as it was sent, without a slash at its end, as the routes of Express do. A path that
 * begins with two slashes stays different, so that `//x/chat` does not get around a proxy's rule for `/chat`.
 */
function pathOf(request: IncomingMessage): string {
  const path = request.url!.replace(AUTHORITY, '').split('?', 1)[0]!;
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Refuses an upgrade with a complete HTTP response and closes the connection. Returns the code of the refusal. */
export function refuse(socket: Duplex, error: unknown): string {
  const { statusCode, code, message, headers } = error instanceof HandshakeRefusal ? error : refusals.serverError();
  const body = JSON.stringify({ statusCode, code, message });
  const lines = Object.entries({
    Connection: 'close',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Refused'}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
  return code;
}
