import { HttpStatus, Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { AdministratorGuard } from './administrator.guard.js';
import { equipFastify, type FastifyInstance } from './fastify-routes.js';
import { hasJson, LongBody, readJson } from './json-body.js';

/** The token of the path that the REST calls lie below. */
export const REST_PATH = Symbol.for('holdfast:rest-path');

/** The calls that take a body. */
const WITH_BODY = ['/messages', '/tickets'];
/** The one call that pages make. */
const FOR_PAGES = ['/tickets'];

/** Bytes of JSON that one byte of content may take, as `\u0001` does, and room for the rest of a body. */
const JSON_GROWTH = 6;
const JSON_ENVELOPE_BYTES = 4_096;
/** How long a browser need not ask again whether it may, in seconds. */
const PREFLIGHT_SECONDS = 600;
/** What an absolute target has before its path [RFC 9112 3.2.2]. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i;

/** Longest body of a REST call, in bytes: whatever content the chat takes fits, however it is escaped. */
export function bodyLimitOf({ maxContentBytes }: Pick<ChatOptions, 'maxContentBytes'>): number {
  return maxContentBytes * JSON_GROWTH + JSON_ENVELOPE_BYTES;
}

type Next = (error?: unknown) => void;
type HttpAdapter = HttpAdapterHost['httpAdapter'];

/**
 * What is done with a REST call before the application reads its body: who asks is known by then, and gets in as much as the chat
 * takes, whatever the application's own routes may take; pages of `allowedOrigins` are told that they may ask for tickets.
 * Calls of others, and all other routes, go by untouched.
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
    // A testing module gets it later.
    else host.init$?.subscribe(() => this.enterBeforeInit(host.httpAdapter));
  }

  /** Lets pages of `allowedOrigins` ask for tickets, and for nothing else; answers whether this was only their question whether they may. */
  answersPage(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin, 'access-control-request-method': wanted } = request.headers;
    const { allowedOrigins } = this.options;
    if (origin === undefined || allowedOrigins === undefined || !this.isOneOf(FOR_PAGES, request.url!)) return false;
    const vary = String(response.getHeader('Vary') ?? '');
    if (!/\borigin\b/i.test(vary)) response.setHeader('Vary', vary === '' ? 'Origin' : `${vary}, Origin`);
    if (allowedOrigins !== null && !allowedOrigins.includes(origin)) return false;
    // Set, not appended: an application that has CORS of its own may have said it already.
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
    if (request.method !== 'OPTIONS' || wanted !== 'POST') return false;
    response.setHeader('Access-Control-Allow-Methods', 'POST');
    response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type');
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.writeHead(HttpStatus.NO_CONTENT).end();
    return true;
  }

  /** Its routes and body parsers come behind; what the application installed itself before it listens has its turn before. */
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
        isOurs: (url) => this.places().some((place) => url.startsWith(`${place}/`)),
        takesBody: (url) => this.isOneOf(WITH_BODY, url),
        bodyLimit: bodyLimitOf(this.options),
      });
    }
    // Fastify reads a body itself, behind this and within the limit of the route.
    const onCall = (request: IncomingMessage, response: ServerResponse, next: Next) => {
      if (this.answersPage(request, response)) return;
      if (request.method !== 'POST' || !this.isOneOf(WITH_BODY, request.url!)) return next();
      this.letIn(request, !isFastify).then(
        () => next(),
        (error: unknown) => refuse(response, error, next),
      );
    };
    httpAdapter.use(onCall);
  }

  private async letIn(request: IncomingMessage & { body?: unknown }, reads: boolean): Promise<void> {
    await this.guard.check(request, this.isOneOf(FOR_PAGES, request.url!));
    if (reads && request.body === undefined && hasJson(request))
      request.body = await readJson(request, bodyLimitOf(this.options));
  }

  private isOneOf(calls: readonly string[], url: string): boolean {
    const path = url.replace(AUTHORITY, '').split('?', 1)[0]!.replace(/\/$/, '');
    return this.places().some((place) => calls.some((call) => path === place + call));
  }

  /** Where the calls may lie: a global prefix moves them, unless it leaves them out. */
  private places(): string[] {
    // Nest shows it to nobody, and knows it when the application listens.
    const { container } = this.moduleRef as unknown as {
      container?: { applicationConfig?: { getGlobalPrefix(): string } };
    };
    const prefix = container?.applicationConfig?.getGlobalPrefix() ?? '';
    return [this.path, `${prefix}/${this.path}`].map((path) => `/${path.split('/').filter(Boolean).join('/')}`);
  }
}

/** In the shape of every error. What is no refusal is the application's to answer. */
function refuse(response: ServerResponse, error: unknown, next: Next): void {
  if (!(error instanceof HandshakeRefusal || error instanceof LongBody)) return next(error);
  const { statusCode, code, message, headers } = error;
  response.writeHead(statusCode, { ...headers, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ statusCode, code, message }));
}
