import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { AppModule } from './app.module.js';
import { readEnvironment, type Settings } from './config/environment.js';
import { ChatWsAdapter } from './gateway/chat-ws.adapter.js';

/** Connections that may wait to be accepted. With Node's 511 a storm of 5,000 clients waits a second for its handshakes. */
const BACKLOG = 4_096;

/** Bytes of JSON that one byte of content may take, as `\u0001` does, and room for the rest of a body. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;

/** Starts the standalone server as the environment says; rejects with an Error whose message is for the operator. */
export async function startServer(env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
  const settings = readEnvironment(env);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(settings), {
    abortOnError: false,
    bodyParser: false,
    // While it starts, Nest would log every route, and the stack of what main.ts says in one line.
    logger: ['warn', 'fatal'],
  });
  equip(app, settings);
  app.enableShutdownHooks([], { useProcessExit: true });
  await app.init();
  const server = app.getHttpServer() as Server;
  server.listen({ host: settings.host, port: settings.port, backlog: BACKLOG });
  await once(server, 'listening');
  app.useLogger(['log', 'warn', 'error', 'fatal']);
  const { address, family, port } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  new Logger('Holdfast').log(
    `listening on http://${host}:${port} (loopback only: there is no authentication); connect to ws://${host}:${port}${settings.path}?user=NAME`,
  );
  return app;
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
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, description));
}
