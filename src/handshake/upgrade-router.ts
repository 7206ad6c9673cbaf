import { Logger } from '@nestjs/common';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { HandshakeRefusal, refusals } from '../protocol/handshake-refusal.js';
import { ignoreForeignUpgrades } from './foreign-upgrades.js';

/** Asked before an upgrade; throws a HandshakeRefusal to answer it with HTTP instead. What it answers goes with `connection`, behind the request. */
export type UpgradeGuard = (request: IncomingMessage) => unknown;

/** A WebSocket server whose owner may refuse a connection before it exists. It emits `refused`, with the code, for every handshake that is. */
export class GuardedWebSocketServer extends WebSocketServer {
  guard: UpgradeGuard = () => undefined;
}

/** So many headers Node reads; it drops the rest. */
const MAX_HEADERS = 1_000;

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * The upgrades of one HTTP server to WebSocket: each goes to the server of its path, or is left to the other listeners, or is
 * answered with a complete 404 when there are none. A peer that resets in the middle harms nobody.
 */
export class UpgradeRouter {
  private readonly logger = new Logger('ChatWsAdapter');
  private readonly servers = new Map<string, GuardedWebSocketServer>();
  private readonly neighbours: UpgradeListener[] = [];
  private readonly heedForeignUpgrades: () => void;

  constructor(readonly httpServer: Server) {
    httpServer.on('upgrade', this.onUpgrade);
    this.heedForeignUpgrades = ignoreForeignUpgrades(httpServer);
  }

  /** Throws an Error when the path is taken. */
  add(path: string, server: GuardedWebSocketServer): void {
    if (this.servers.has(path)) throw new Error(`Two gateways are at ${path}; give one of them a path of its own.`);
    this.servers.set(path, server);
  }

  /**
   * Takes the listeners that are put on the HTTP server meanwhile behind this one: they see what is for nobody here. Left
   * where they are, they would cut our clients: Socket.IO ends what is not its own and without an answer after a second.
   */
  adopt<Result>(attach: () => Result): Result {
    const before = this.httpServer.listeners('upgrade');
    const result = attach();
    for (const listener of this.httpServer.listeners('upgrade') as UpgradeListener[]) {
      if (before.includes(listener)) continue;
      this.httpServer.off('upgrade', listener);
      this.neighbours.push(listener);
    }
    return result;
  }

  stop(): void {
    this.heedForeignUpgrades();
    this.httpServer.off('upgrade', this.onUpgrade);
  }

  private readonly onUpgrade: UpgradeListener = (request, socket, head) => {
    // Before anything else: a reset by the peer is an 'error' event, and without a listener it ends the process.
    socket.on('error', () => socket.destroy());
    const server = this.servers.get(pathOf(request));
    if (server) return void this.upgrade(server, request, socket, head);
    for (const listener of this.neighbours) listener.call(this.httpServer, request, socket, head);
    if (this.neighbours.length === 0 && this.httpServer.listenerCount('upgrade') === 1)
      refuse(socket, refusals.noSuchPath());
  };

  private async upgrade(server: GuardedWebSocketServer, request: IncomingMessage, socket: Duplex, head: Buffer) {
    try {
      checkHandshake(request);
      const admission = await server.guard(request);
      if (socket.destroyed) return; // The peer did not wait for the answer of the guard.
      socket.cork(); // The answer to the handshake and what its connection is greeted with leave in one system call.
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request, admission));
      socket.uncork();
    } catch (error) {
      if (socket.destroyed) return;
      if (!(error instanceof HandshakeRefusal)) this.logger.error(error);
      server.emit('refused', refuse(socket, error));
    }
  }
}

/** What RFC 6455 4.2.1 asks of a handshake beyond its key, which `ws` checks. */
function checkHandshake(request: IncomingMessage): void {
  const { method, headers } = request;
  if (method !== 'GET') throw refusals.notGet();
  checkRequest(request);
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw refusals.upgradeRequired();
  if (headers['sec-websocket-version'] !== '13') throw refusals.badVersion();
}

/** What Node checks of every other request, but not of an upgrade. */
function checkRequest({ httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== '1.1') throw refusals.badHandshake('a WebSocket is opened with HTTP/1.1');
  // Names and values take turns in it. What is beyond was not read: it could be the `Origin`.
  if (rawHeaders.length > 2 * MAX_HEADERS) throw refusals.badHandshake('there are too many headers');
  const hosts = rawHeaders.filter((name, n) => n % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host');
  if (hosts.length !== 1) throw refusals.badHandshake('there has to be one Host header'); // [RFC 9112 3.2]
  // A proxy that passes a body on would take for it what we take for frames.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    throw refusals.badHandshake('there may be no body');
  }
}

/** What an absolute target has before its path [RFC 9112 3.2.2]. */
const AUTHORITY = /^(?:https?|wss?):\/\/[^/?#]*/i;

/**
 * The path of a request as it was sent, but for one slash behind it, as routes of Express have it. Only one slash leads it, so
 * that no proxy's rule for `/chat` is side-stepped by `//x/chat`.
 */
function pathOf(request: IncomingMessage): string {
  const path = request.url!.replace(AUTHORITY, '').split('?', 1)[0]!;
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Answers an upgrade with a complete HTTP response, and ends it; answers the code that it gave. */
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
