import { Logger, ShutdownSignal } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
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

/** Bytes of JSON that one byte of content may take, as `\u0001` does, and room for the rest of a body. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;

/** The description of the REST calls, in all its forms; what is below a path is of it. */
const DOCS = ['/docs', '/docs-json', '/docs-yaml'];

/** Signals that ask the server to end. Nest would take those of a crash for a request, too. */
const ENDING_SIGNALS = [ShutdownSignal.SIGTERM, ShutdownSignal.SIGINT, ShutdownSignal.SIGHUP];

/** Exit code of a server that was not given the time to say goodbye. */
const FORCED = 1;

/** Starts the standalone server as the environment says; rejects with an Error whose message is for the operator. */
export async function startServer(env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
  const logger = new ServerLogger(readLogFormat(env));
  // While it starts, Nest would log every route, and the stack of what main.ts says in one line.
  logger.setLogLevels(['warn', 'fatal']);
  Logger.overrideLogger(logger);
  const settings = readEnvironment(env);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(settings), {
    abortOnError: false,
    bodyParser: false,
    // Node waits for ever for the end of a request that a peer has begun, once it does not listen any more.
    forceCloseConnections: true,
    logger,
  });
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
    `listening on http://${host}:${port} ${howUsersAreKnown(settings)}; connect to ws://${host}:${port}${settings.path}${addressOf(settings)}`,
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
