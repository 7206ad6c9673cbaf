import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { AdministratorGuard } from './administrator.guard.js';
import { equipFastify, type FastifyInstance } from './fastify-routes.js';
import { hasJson, LongBody, readJson } from './json-body.js';
import { PageAccess } from './page-access.js';
import { RestPaths } from './rest-paths.js';

/** The calls that take a body. */
const BODY_CALLS = ['/messages', '/tickets'];
/** The calls that users may make. */
const USER_CALLS = ['/tickets'];

/** How many bytes of JSON one byte of content may take, as `\u0001` does; and how many the rest of a body may take. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;

/** Returns the longest body of a REST call, in bytes: all content that the chat accepts fits, however it is escaped. */
export function bodyLimitOf({ maxContentBytes }: Pick<ChatOptions, 'maxContentBytes'>): number {
  return maxContentBytes * JSON_GROWTH + JSON_ENVELOPE_BYTES;
}

type Next = (error?: unknown) => void;
type HttpAdapter = HttpAdapterHost['httpAdapter'];

/**
 * Handles a REST call before the application parses its body. It identifies the caller first, who may then send a body
 * as long as the chat accepts, whatever limit the application's own routes have. All other requests pass unchanged,
 * except that pages get the headers that they need.
 */
@Injectable()
export class RestEntry {
  constructor(
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
    @Inject(AdministratorGuard) private readonly guard: AdministratorGuard,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(RestPaths) private readonly paths: RestPaths,
    @Inject(PageAccess) private readonly pages: PageAccess,
  ) {
    if (host.httpAdapter) this.enterBeforeInit(host.httpAdapter);
    // A testing module gets its HTTP adapter later.
    else host.init$?.subscribe(() => this.enterBeforeInit(host.httpAdapter));
  }

  /** Runs `enter` before the routes and body parsers of Nest are added, and after what the application has added. */
  private enterBeforeInit(httpAdapter: HttpAdapter | undefined): void {
    if (!httpAdapter) return; // An application context.
    const init = httpAdapter.init.bind(httpAdapter);
    let entered = false;
    httpAdapter.init = async () => {
      if (!entered) this.enter(httpAdapter);
      entered = true;
      await init();
    };
  }

  private enter(httpAdapter: HttpAdapter): void {
    const isFastify = httpAdapter.getType() === 'fastify';
    if (isFastify) {
      equipFastify(httpAdapter.getInstance<FastifyInstance>(), {
        isOurs: (url) => this.paths.isBelow(url),
        takesBody: (url) => this.paths.isOneOf(BODY_CALLS, url),
        bodyLimit: bodyLimitOf(this.options),
      });
    }
    // Fastify parses the body itself, after this and within the limit of the route.
    const onCall = (request: IncomingMessage, response: ServerResponse, next: Next) => {
      if (this.pages.allow(request, response)) return;
      if (request.method !== 'POST' || !this.paths.isOneOf(BODY_CALLS, request.url!)) return next();
      this.letIn(request, !isFastify).then(
        () => next(),
        (error: unknown) => refuse(response, error, next),
      );
    };
    httpAdapter.use(onCall);
  }

  private async letIn(request: IncomingMessage & { body?: unknown }, reads: boolean): Promise<void> {
    await this.guard.check(request, this.paths.isOneOf(USER_CALLS, request.url!));
    if (reads && request.body === undefined && hasJson(request))
      request.body = await readJson(request, bodyLimitOf(this.options));
  }
}

/** Responds in the shape of all errors. Errors that are not refusals are left to the application. */
function refuse(response: ServerResponse, error: unknown, next: Next): void {
  if (!(error instanceof HandshakeRefusal || error instanceof LongBody)) return next(error);
  const { statusCode, code, message, headers } = error;
  response.writeHead(statusCode, { ...headers, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ statusCode, code, message }));
}
