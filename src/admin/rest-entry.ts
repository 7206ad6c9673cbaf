import { HttpStatus, Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { AdministratorGuard } from './administrator.guard.js';
import { equipFastify, type FastifyInstance } from './fastify-routes.js';
import { hasJson, LongBody, readJson } from './json-body.js';

/** The injection token of the path below which the REST calls are. */
export const REST_PATH = Symbol.for('holdfast:rest-path');

/** The calls that take a body. */
const BODY_CALLS = ['/messages', '/tickets'];
/** The calls that web pages of `allowedOrigins` may make. */
const PAGE_CALLS = ['/tickets'];

/** How many bytes of JSON one byte of content may take, as `\u0001` does; and how many the rest of a body may take. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;
/** How long a browser may remember the response to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600;
/** What precedes the path in an absolute target [RFC 9112 3.2.2]. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i;

/** Returns the longest body of a REST call, in bytes: all content that the chat accepts fits, however it is escaped. */
export function bodyLimitOf({ maxContentBytes }: Pick<ChatOptions, 'maxContentBytes'>): number {
  return maxContentBytes * JSON_GROWTH + JSON_ENVELOPE_BYTES;
}

type Next = (error?: unknown) => void;
type HttpAdapter = HttpAdapterHost['httpAdapter'];

/**
 * Handles a REST call before the application parses its body. It identifies the caller first, who may then send a body
 * as long as the chat accepts, whatever limit the application's own routes have. It allows pages of `allowedOrigins` to
 * ask for tickets. All other requests pass unchanged.
 */
@Injectable()
export class RestEntry {
  constructor(
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(AdministratorGuard) private readonly guard: AdministratorGuard,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(REST_PATH) private readonly path: string,
  ) {
    if (host.httpAdapter) this.enterBeforeInit(host.httpAdapter);
    // A testing module gets its HTTP adapter later.
    else host.init$?.subscribe(() => this.enterBeforeInit(host.httpAdapter));
  }

  /**
   * Allows pages of `allowedOrigins` to ask for tickets, and for nothing else. Returns true if the request was a
   * preflight and has got its response.
   */
  allowPage(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin, 'access-control-request-method': wanted } = request.headers;
    const { allowedOrigins } = this.options;
    if (origin === undefined || allowedOrigins === undefined || !this.isOneOf(PAGE_CALLS, request.url!)) return false;
    const vary = String(response.getHeader('Vary') ?? '');
    if (!/\borigin\b/i.test(vary)) response.setHeader('Vary', vary === '' ? 'Origin' : `${vary}, Origin`);
    if (allowedOrigins !== null && !allowedOrigins.includes(origin)) return false;
    // Set, not appended: the application's own CORS may have set it already.
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
    if (request.method !== 'OPTIONS' || wanted !== 'POST') return false;
    response.setHeader('Access-Control-Allow-Methods', 'POST');
    response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type');
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.writeHead(HttpStatus.NO_CONTENT).end();
    return true;
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
        isOurs: (url) => this.roots().some((root) => url.startsWith(`${root}/`)),
        takesBody: (url) => this.isOneOf(BODY_CALLS, url),
        bodyLimit: bodyLimitOf(this.options),
      });
    }
    // Fastify parses the body itself, after this and within the limit of the route.
    const onCall = (request: IncomingMessage, response: ServerResponse, next: Next) => {
      if (this.allowPage(request, response)) return;
      if (request.method !== 'POST' || !this.isOneOf(BODY_CALLS, request.url!)) return next();
      this.letIn(request, !isFastify).then(
        () => next(),
        (error: unknown) => refuse(response, error, next),
      );
    };
    httpAdapter.use(onCall);
  }

  private async letIn(request: IncomingMessage & { body?: unknown }, reads: boolean): Promise<void> {
    await this.guard.check(request, this.isOneOf(PAGE_CALLS, request.url!));
    if (reads && request.body === undefined && hasJson(request))
      request.body = await readJson(request, bodyLimitOf(this.options));
  }

  private isOneOf(calls: readonly string[], url: string): boolean {
    const path = url.replace(AUTHORITY, '').split('?', 1)[0]!.replace(/\/$/, '');
    return this.roots().some((root) => calls.some((call) => path === root + call));
  }

  /** Returns the paths below which the calls may be. A global prefix moves them, unless it excludes them. */
  private roots(): string[] {
    // Nest has no public getter for the prefix, which is known when the application listens.
    const { container } = this.moduleRef as unknown as {
      container?: { applicationConfig?: { getGlobalPrefix(): string } };
    };
    const prefix = container?.applicationConfig?.getGlobalPrefix() ?? '';
    return [this.path, `${prefix}/${this.path}`].map((path) => `/${path.split('/').filter(Boolean).join('/')}`);
  }
}

/** Responds in the shape of all errors. Errors that are not refusals are left to the application. */
function refuse(response: ServerResponse, error: unknown, next: Next): void {
  if (!(error instanceof HandshakeRefusal || error instanceof LongBody)) return next(error);
  const { statusCode, code, message, headers } = error;
  response.writeHead(statusCode, { ...headers, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ statusCode, code, message }));
}
