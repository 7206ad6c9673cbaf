import { Logger, ShutdownSignal } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import * as swagger from '@nestjs/swagger';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AdministratorGuard, isKnown } from './admin/administrator.guard.js';
import { describeApi } from './admin/api.js';
import { AppModule } from './app.module.js';
import { HandshakeRefusal } from './authentication/refusal.js';
import { trusted } from './authentication/trusted.authenticator.js';
import { readEnvironment, readLogFormat, type Settings } from './config/environment.js';
import { titleOf } from './database/given-database.js';
import { storeOptions } from './database/store-options.js';
import { AdmissionService } from './gateway/admission.service.js';
import { ChatWsAdapter } from './gateway/chat-ws.adapter.js';
import { refuse } from './gateway/upgrade-router.js';
import { HealthController } from './observability/health.controller.js';
import { MetricsController } from './observability/metrics.controller.js';
import { ServerLogger } from './observability/server-logger.js';

/** Connections that may wait to be accepted. With Node's 511 a storm of 5,000 clients waits a second for its handshakes. */
const BACKLOG = 4_096;

/** How long a client may take for all of a request, in milliseconds; then it is answered 408. */
const REQUEST_WITHIN_MS = 30_000;

/** Bytes of JSON that one byte of content may take, as `\u0001` does, and room for the rest of a body. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;
const JSON_TYPE = /^\s*application\/json\s*(;|$)/i;

/** The description of the REST calls, in all its forms; what is below a path is of it. */
const DOCS = ['/docs', '/docs-json', '/docs-yaml'];

/** Of every answer: what it is stays what it says, no page of others frames ours, and no address of ours reaches others. */
const HEADERS = { 'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer' };

/** Signals that ask the server to end. Nest would take those of a crash for a request, too. */
const ENDING_SIGNALS = [ShutdownSignal.SIGTERM, ShutdownSignal.SIGINT, ShutdownSignal.SIGHUP];

/** Exit code of a server that was not given the time to say goodbye. */
const FORCED = 1;

/** Express over an HTTP server that waits for nobody who holds it up; Nest's own waits for a minute, and looks every 30 s. */
export class ImpatientExpressAdapter extends ExpressAdapter {
  constructor(
    private readonly headWithinMs: number,
    private readonly requestWithinMs = Math.max(REQUEST_WITHIN_MS, headWithinMs),
  ) {
    super();
  }

  override initHttpServer(): void {
    const timeouts = {
      headersTimeout: this.headWithinMs,
      requestTimeout: this.requestWithinMs,
      connectionsCheckingInterval: this.headWithinMs / 10,
    };
    this.setHttpServer(createServer(timeouts, this.getInstance()).on('connect', onConnect));
  }

  override async close(): Promise<void> {
    const closed = super.close();
    // Node waits for ever for the end of a request that a peer has begun, once it does not listen any more.
    (this.getHttpServer() as Server).closeAllConnections();
    await closed;
  }
}

/** A peer that takes us for a proxy: Node would cut it off without an answer. */
function onConnect(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  refuse(
    socket,
    new HandshakeRefusal(405, 'NOT_GET', 'this is no proxy; a WebSocket is opened with GET', { Allow: 'GET' }),
  );
}

/** A peer that takes its time, or sends what is no request: Node would answer without a body, and count it nowhere. */
function refusalOf({ code }: NodeJS.ErrnoException): HandshakeRefusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new HandshakeRefusal(408, 'REQUEST_TIMEOUT', 'the request took too long; send it at once');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new HandshakeRefusal(431, 'HEADERS_TOO_LONG', 'the headers are longer than 16 KiB; send shorter ones');
  }
  return new HandshakeRefusal(400, 'BAD_HANDSHAKE', 'what came is no request of HTTP/1.1; use a WebSocket client');
}

/** Starts the standalone server as the environment says; rejects with an Error whose message is for the operator. */
export async function startServer(env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
  const logger = new ServerLogger(readLogFormat(env));
  // While it starts, Nest would log every route, and the stack of what main.ts says in one line.
  logger.setLogLevels(['warn', 'fatal']);
  Logger.overrideLogger(logger);
  const settings = readEnvironment(env);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.with(settings),
    new ImpatientExpressAdapter(settings.chat.handshakeMs),
    {
      abortOnError: false,
      bodyParser: false,
      logger,
    },
  );
  equip(app, settings);
  app.enableShutdownHooks(ENDING_SIGNALS, { useProcessExit: true });
  forceAtSecondSignal();
  await app.init();
  const server = app.getHttpServer() as Server;
  server.listen({ host: settings.host, port: settings.port, backlog: BACKLOG });
  await once(server, 'listening');
  logger.setLogLevels(['log', 'warn', 'error', 'fatal']);
  const { address, family, port } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  new Logger('Holdfast').log(
    `listening on http://${host}:${port} ${howUsersAreKnown(settings)}; connect to ws://${host}:${port}${settings.path}${addressOf(settings)}; messages wait in ${titleOf(storeOptions(settings.databaseUrl))}`,
  );
  return app;
}

/** Nest passes over the second signal. Whoever sends it does not want to wait; what has a receipt is on the disk. */
function forceAtSecondSignal(): void {
  const logger = new Logger('Holdfast');
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (asked) {
      logger.warn(`${signal} again: ends at once, without a goodbye; nothing that has a receipt is lost`);
      process.exit(FORCED);
    }
    asked = true;
    logger.log(`${signal}: says goodbye and ends; a second signal ends it at once`);
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
}

function howUsersAreKnown({ authentication: { authenticate, insecure } }: Settings): string {
  if (authenticate !== trusted) return '(users are known by their tokens)';
  return insecure ? '(INSECURE: there is no authentication)' : '(loopback only: there is no authentication)';
}

function addressOf({ authentication: { authenticate } }: Settings): string {
  return authenticate === trusted ? '?user=NAME' : ' with a token';
}

/** Gives an application what the server has around the chat: the adapter, JSON bodies, the page and what it needs to know, the descriptions. */
export function equip(app: NestExpressApplication, { path, chat, authentication: { authenticate } }: Settings): void {
  const guard = app.get(AdministratorGuard);
  const admission = app.get(AdmissionService);
  app.getHttpServer().on('clientError', (error: Error, socket: Duplex) => {
    if (socket.writable) admission.onRefused(refuse(socket, refusalOf(error)));
    else socket.destroy();
  });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  app.disable('x-powered-by');
  app.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    next();
  });
  // Who asks is known before a body is read: parsing is work that no stranger can give us.
  app.use(path, (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
    response.setHeader('Cache-Control', 'no-store'); // What waits is nothing for a browser's disk.
    if (/^\/?(\?|$)/.test(request.url!)) return next(); // The path of the socket, which takes nothing.
    guard.check(request, true).then(() => next(), next);
  });
  app.useBodyParser('json', {
    limit: chat.maxContentBytes * JSON_GROWTH + JSON_ENVELOPE_BYTES,
    // JSON only: a form could be posted here by any page that the operator visits.
    type: (request) => isKnown(request) && JSON_TYPE.test(request.headers['content-type'] ?? ''),
  });
  app.use('/settings.json', (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify({ path, users: authenticate === trusted ? 'trusted' : 'token' }));
  });
  app.useStaticAssets(fileURLToPath(new URL('../public', import.meta.url)));
  const description = new swagger.DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription('Connections, pending messages and counters of the chat.')
    .addBearerAuth()
    .build();
  app.use(DOCS, (request: IncomingMessage, _response: unknown, next: (error?: unknown) => void) => {
    guard.check(request).then(() => next(), next);
  });
  describeApi(swagger);
  for (const controller of [HealthController, MetricsController]) swagger.ApiExcludeController()(controller);
  swagger.SwaggerModule.setup('docs', app, () => swagger.SwaggerModule.createDocument(app, description));
}
