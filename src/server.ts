import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AdministratorGuard, isKnown } from './admin/administrator.guard.js';
import { describeSocket } from './admin/describe-socket.js';
import { PageAccess } from './admin/page-access.js';
import { bodyLimitOf } from './admin/rest-entry.js';
import { serveApiDocs } from './api-docs.js';
import { AppModule } from './app.module.js';
import { AuthenticationService } from './authentication/authentication.service.js';
import { trusted } from './authentication/trusted.authenticator.js';
import { titleOfCluster } from './cluster/cluster.options.js';
import { readEnvironment, readLogFormat, type Settings } from './config/environment.js';
import { titleOf } from './database/database-option.js';
import { packageVersion } from './options/package-version.js';
import { storeOptions } from './database/store-options.js';
import { ChatWsAdapter } from './gateway/chat-ws.adapter.js';
import { HandshakeService } from './handshake/handshake.service.js';
import { inTurns } from './handshake/request-turns.js';
import { refuse } from './handshake/upgrade-router.js';
import { ServerLogger } from './observability/server-logger.js';
import { endAtSignals } from './process/signals.js';
import { refusals, type HandshakeRefusal } from './protocol/handshake-refusal.js';

/**
 * How many connections may wait to be accepted. With Node's default of 511 a storm of 5,000 clients waits a second for
 * its handshakes.
 */
export const BACKLOG = 4_096;

/** Time limit of a whole request, in milliseconds; then it is refused with 408. */
const REQUEST_WITHIN_MS = 30_000;

/**
 * How long an idle connection waits for its next request, in milliseconds. Load balancers keep theirs for 60 s. If ours
 * closed first, they would send requests into connections that end.
 */
const KEEP_ALIVE_MS = 65_000;

const JSON_TYPE = /^\s*application\/json\s*(;|$)/i;

/** The path of the AsyncAPI document. */
const SOCKET_DOCS = '/docs-asyncapi';

/** The paths of that and of the OpenAPI document in all its forms; everything below them belongs to it. */
const DOCS = ['/docs', '/docs-json', '/docs-yaml', SOCKET_DOCS];

/** The health calls, which a probe may make with any host name. */
const HEALTH = /^\/health\/(live|ready)$/;

/**
 * Headers of every response: browsers do not guess its type, other pages do not frame it, and its address is not sent
 * to other hosts.
 */
const HEADERS = { 'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer' };

/** The event of the HTTP server when it has closed a socket on which too many requests waited. */
const TOO_MANY_REQUESTS = 'tooManyRequests';

/**
 * Express on an HTTP server with short timeouts, which handles the requests of one socket one after the other. Nest's
 * own waits for 60 s, checks every 30 s, and handles all requests of a socket at once.
 */
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
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    const server: Server = createServer(
      timeouts,
      inTurns(this.getInstance(), () => server.emit(TOO_MANY_REQUESTS)),
    );
    this.setHttpServer(server.on('connect', onConnect));
  }

  override async close(): Promise<void> {
    const closed = super.close();
    // After it stops listening, Node would wait forever for the rest of a request that a client has begun.
    (this.getHttpServer() as Server).closeAllConnections();
    await closed;
  }
}

/**
 * Refuses the request of a client that takes the server for a proxy. Node would close the connection without a
 * response.
 */
function onConnect(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  refuse(socket, refusals.noProxy());
}

/**
 * Returns the refusal of a request that took too long or cannot be read. Node would respond without a body, and would
 * not count it.
 */
function refusalOf({ code }: NodeJS.ErrnoException): HandshakeRefusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusals.requestTimeout();
  return code === 'HPE_HEADER_OVERFLOW' ? refusals.headersTooLong() : refusals.notHttp1();
}

/**
 * Starts the standalone server with the settings of the environment. Rejects with an Error whose message is for the
 * operator.
 */
export async function startServer(env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
  const logger = new ServerLogger(readLogFormat(env));
  // During the start Nest would log every route, and a stack trace of the error that main.ts logs in one line.
  logger.setLogLevels(['warn', 'fatal']);
  Logger.overrideLogger(logger);
  const settings = readEnvironment(env);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forRoot(settings),
    new ImpatientExpressAdapter(settings.chat.handshakeMs),
    {
      abortOnError: false,
      bodyParser: false,
      logger,
    },
  );
  try {
    equip(app, settings);
    endAtSignals(app);
    await app.init();
    await listen(app.getHttpServer() as Server, settings);
  } catch (error) {
    await app.close(); // Otherwise the store would stay locked.
    throw error;
  }
  const server = app.getHttpServer() as Server;
  logger.setLogLevels(['log', 'warn', 'error', 'fatal']);
  const { address, family, port } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  const cluster = settings.cluster ? `; this is ${titleOfCluster(settings.cluster)}` : '';
  new Logger('Holdfast').log(
    `listening on http://${host}:${port} ${howUsersAreKnown(settings)}; connect to ws://${host}:${port}${settings.path}${addressOf(settings)}; messages wait in ${titleOf(storeOptions(settings.databaseUrl))}${cluster}`,
  );
  return app;
}

/** Rejects with an Error that says what to do if the system does not let the server listen there. */
async function listen(server: Server, { host, port }: Settings): Promise<void> {
  server.listen({ host, port, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    const remedy = NOT_LISTENING[code] ?? 'give another HOST or PORT';
    throw new Error(`The server can't listen on ${host}, port ${port}: ${code}; ${remedy}.`, { cause });
  }
}

/** What to do when the server cannot listen, by the error code of the system. */
const NOT_LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program does; end that one, or give another PORT',
  EACCES: 'give a PORT of 1024 or more, and let the proxy in front of it use the lower one',
  ENOTFOUND: 'HOST is not the name of a machine; give an address of this one, such as 127.0.0.1',
  EAI_AGAIN: 'HOST is a name that cannot be looked up; give an address of this machine, such as 127.0.0.1',
  EADDRNOTAVAIL: 'HOST is not an address of this machine; give one, such as 127.0.0.1 or 0.0.0.0',
  EINVAL: 'HOST is not an address to listen on; give one, such as 127.0.0.1 or 0.0.0.0',
};

function howUsersAreKnown({ authentication: { authenticate, insecure } }: Settings): string {
  if (authenticate !== trusted) return '(users are known by their tokens)';
  return insecure ? '(INSECURE: there is no authentication)' : '(loopback only: there is no authentication)';
}

function addressOf({ authentication: { authenticate } }: Settings): string {
  return authenticate === trusted ? '?user=NAME' : ' with a token';
}

/**
 * Adds to an application what the standalone server has besides the chat: the adapter, JSON bodies, the web page with
 * its settings, and the OpenAPI document.
 */
export function equip(app: NestExpressApplication, { path, chat, userClaim }: Settings): void {
  const guard = app.get(AdministratorGuard);
  const handshakes = app.get(HandshakeService);
  const pages = app.get(PageAccess);
  const authentication = app.get(AuthenticationService);
  const server = app.getHttpServer() as Server;
  server.on('connection', (socket) => handshakes.addSocket(socket));
  server.on(TOO_MANY_REQUESTS, () => handshakes.httpSockets.closed.add('pipelined'));
  server.on('clientError', (error: Error, socket: Duplex) => {
    if (socket.writable) handshakes.countRefusal(refuse(socket, refusalOf(error)));
    else socket.destroy();
  });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  app.disable('x-powered-by');
  app.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    // Node accepts HTTP/0.9, and HTTP/2.0 in the syntax of 1.1.
    if (request.httpVersionMajor !== 1) throw refusals.notHttp1();
    // A probe may use any host name, and the response reveals nothing about users.
    if (!HEALTH.test(request.url!)) authentication.checkHost(request);
    if (!pages.allow(request, response)) next();
  });
  // The caller is identified before the body is read, so that strangers cannot make the server parse bodies.
  app.use(path, (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
    response.setHeader('Cache-Control', 'no-store'); // Pending messages must not be stored by browsers.
    // The path of the socket needs no credentials: plain HTTP is refused there, and told why a handshake would be.
    if (/^\/?(\?|$)/.test(request.url!)) return next();
    guard.check(request, true).then(() => next(), next);
  });
  app.useBodyParser('json', {
    limit: bodyLimitOf(chat),
    // Only JSON is parsed: every page that the operator visits could post a form here.
    type: (request) => isKnown(request) && JSON_TYPE.test(request.headers['content-type'] ?? ''),
  });
  const settings = { path, ...(userClaim === null ? { users: 'trusted' } : { users: 'token', userClaim }) };
  app.use('/settings.json', (_request: IncomingMessage, response: ServerResponse) => sendJson(response, settings));
  app.useStaticAssets(fileURLToPath(new URL('../public', import.meta.url)));
  app.use(DOCS, (request: IncomingMessage, _response: unknown, next: (error?: unknown) => void) => {
    guard.check(request).then(() => next(), next);
  });
  serveApiDocs(app);
  app.use(SOCKET_DOCS, (_request: IncomingMessage, response: ServerResponse) =>
    sendJson(response, describeSocket({ path, version: packageVersion() })),
  );
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}
