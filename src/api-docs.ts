import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type * as Swagger from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describeApi } from './admin/calls.js';
import { describeCalls } from './admin/describe-api.js';
import { OBSERVABILITY_CALLS } from './observability/observability.calls.js';
import { packageVersion } from './options/package-version.js';

type Next = (error?: unknown) => void;
type Handler = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** The OpenAPI document in all its forms, and the files of its page. */
const PATHS = ['/docs', '/docs/*file', '/docs-json', '/docs-yaml'];

/** An application has to have a module. */
class NoModule {}

/**
 * Adds the OpenAPI document to an application. The first request for it loads `@nestjs/swagger`, which is a quarter of
 * all modules: most servers never need it.
 */
export function serveApiDocs(app: NestExpressApplication): void {
  const router = app.getHttpAdapter().getInstance() as { get(path: string, handler: Handler): void };
  let pages: Promise<Handler> | null = null;
  for (const path of PATHS) {
    router.get(path, (request, response, next) => {
      pages ??= loadPages(app);
      pages.then((handle) => handle(request, response, next), next);
    });
  }
}

/** They are routes of an application of their own, as a started one serves no route that is added to it. */
async function loadPages(app: INestApplication): Promise<Handler> {
  const swagger = await import('@nestjs/swagger');
  const pages = await NestFactory.create<NestExpressApplication>(NoModule, { logger: false });
  pages.disable('x-powered-by');
  swagger.SwaggerModule.setup('docs', pages, () => documentOf(app, swagger));
  return pages.getHttpAdapter().getInstance() as Handler;
}

/** Returns the OpenAPI document of the server, for `/docs` and for generators of clients. */
export function documentOf(app: INestApplication, swagger: typeof Swagger): Swagger.OpenAPIObject {
  describeApi(swagger);
  describeCalls(swagger, OBSERVABILITY_CALLS);
  const description = new swagger.DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription('Connections, pending messages and counters of the chat.')
    .setVersion(packageVersion())
    .addBearerAuth()
    .build();
  return swagger.SwaggerModule.createDocument(app, description);
}
