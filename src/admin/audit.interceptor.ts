import {
  HttpException,
  Inject,
  Injectable,
  Logger,
  SetMetadata,
  type CallHandler,
  type CustomDecorator,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import { tap, type Observable } from 'rxjs';
import { ClientAddress } from '../handshake/client-address.js';
import { ChatError } from '../protocol/chat-error.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { callerOf } from './administrator.guard.js';

/** A request as Express or Fastify has read it. */
interface ReadRequest extends IncomingMessage {
  /** The route, of Express. */
  readonly route?: { readonly path: string };
  /** The route, of Fastify. */
  readonly routeOptions?: { readonly url?: string };
  readonly params: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

const AUDITED = 'holdfast:audited';

/** Names the parts of a body that go to the log when the call was taken: who and which, never the content, and nothing that was not checked. */
export const Audits = (...parts: readonly string[]): CustomDecorator => SetMetadata(AUDITED, parts);

/** Writes one line of every call that changes something: who, what, and how it ended. Being on the controller, it forgets no call. */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  private readonly logger = new Logger('Audit');

  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(ClientAddress) private readonly clientAddress: ClientAddress,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<ReadRequest>();
    if (request.method === 'GET' || request.method === 'HEAD') return next.handle();
    const { method, route, routeOptions } = request;
    const parts = this.reflector.get<readonly string[] | undefined>(AUDITED, context.getHandler()) ?? [];
    const path = route?.path ?? routeOptions?.url;
    const call = `${callerOf(request).title} from ${this.clientAddress.of(request)}: ${method} ${path}`;
    return next.handle().pipe(
      tap({
        // Taken, so its parts were valid: none of them is long. JSON keeps the line one line.
        next: () => this.logger.log(`${call} ${JSON.stringify(partsOf(request, parts))}: done`),
        error: (error: unknown) => this.logger.log(`${call}: refused, ${codeOf(error)}`),
      }),
    );
  }
}

function partsOf({ params, body }: ReadRequest, parts: readonly string[]): Record<string, unknown> {
  const given = [...Object.entries(body ?? {}).filter(([name]) => parts.includes(name)), ...Object.entries(params)];
  // Names are trimmed before they are taken: what stands around one may break a line.
  return Object.fromEntries(given.map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value]));
}

function codeOf(error: unknown): string {
  if (error instanceof ChatError || error instanceof HandshakeRefusal) return error.code;
  if (!(error instanceof HttpException)) return 'SERVER_ERROR';
  const body = error.getResponse();
  return typeof body === 'object' && 'code' in body ? String(body.code) : String(error.getStatus());
}
