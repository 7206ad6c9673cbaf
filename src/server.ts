import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { AdministratorGuard } from './admin/administrator.guard.js';
import { AppModule } from './app.module.js';
import { trusted } from './authentication/trusted.authenticator.js';
import { readEnvironment, readLogFormat, type Settings } from './config/environment.js';
import { ChatWsAdapter } from './gateway/chat-ws.adapter.js';
import { ServerLogger } from './observability/server-logger.js';

/** Connections that may wait to be accepted. With Node's 511 a storm of 5,000 clients waits a second for its handshakes. */
const BACKLOG = 4_096;

/** How long a client may take for the head of a request, a handshake included, and for all of a request, in milliseconds; then it is answered 408. */
const HEAD_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 30_000;

/** Bytes of JSON that one byte of content may take, as `\u0001` does, and room for the rest of a body. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;

/** The description of the REST calls, in all its forms; what is below a path is of it. */
const DOCS = ['/docs', '/docs-json', '/docs-yaml'];

/** Express over an HTTP server that waits for nobody who holds it up; Nest's own waits for a minute, and looks every 30 s. */
export class ImpatientExpressAdapter extends ExpressAdapter {
  constructor(
    private readonly headWithinMs = HEAD_WITHIN_MS,
    private readonly requestWithinMs = REQUEST_WITHIN_MS,
  ) {
    super();
  }

  override initHttpServer(): void {
    const timeouts = {
      headersTimeout: this.headWithinMs,
      requestTimeout: this.requestWithinMs,
      connectionsCheckingInterval: this.headWithinMs / 10,
    };
    this.setHttpServer(createServer(timeouts, this.getInstance()));
  }
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
    new ImpatientExpressAdapter(),
    {
      abortOnError: false,
      bodyParser: false,
      logger,
    },
  );
  equip(app, settings);
  app.enableShutdownHooks([], { useProcessExit: true });
  await app.init();
  const server = app.getHttpServer() as Server;
  server.listen({ host: settings.host, port: settings.port, backlog: BACKLOG });
  await once(server, 'listening');
  logger.setLogLevels(['log', 'warn', 'error', 'fatal']);
  const { address, family, port } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  new Logger('Holdfast').log(
    `listening on http://${host}:${port} ${howUsersAreKnown(settings)}; connect to ws://${host}:${port}${settings.path}${addressOf(settings)}`,
  );
  return app;
}

function howUsersAreKnown({ authentication: { authenticate, insecure } }: Settings): string {
  if (authenticate !== trusted) return '(users are known by their tokens)';
  return insecure ? '(INSECURE: there is no authentication)' : '(loopback only: there is no authentication)';
}

function addressOf({ authentication: { authenticate } }: Settings): string {
  return authenticate === trusted ? '?user=NAME' : ' with a token';
}

/** Gives an application what the server has around the chat: the adapter, JSON bodies, the page and its descriptions. */
export function equip(app: NestExpressApplication, { chat }: Settings): void {
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  // JSON only: a form could be posted here by any page that the operator visits.
  app.useBodyParser('json', { limit: chat.maxContentBytes * JSON_GROWTH + JSON_ENVELOPE_BYTES });
  app.useStaticAssets(fileURLToPath(new URL('../public', import.meta.url)));
  const description = new DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription('Connections, pending messages and counters of the chat.')
    .addBearerAuth()
    .build();
  const guard = app.get(AdministratorGuard);
  app.use(DOCS, (request: IncomingMessage, _response: unknown, next: (error?: unknown) => void) => {
    guard.check(request).then(() => next(), next);
  });
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, description));
}
