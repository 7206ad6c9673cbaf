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

/** A request as Express or Fastify parsed it. */
interface ReadRequest extends IncomingMessage {
  /** The route, on Express. */
  readonly route?: { readonly path: string };
  /** The route, on Fastify. */
  readonly routeOptions?: { readonly url?: string };
  readonly params: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

const AUDIT_FIELDS = 'holdfast:audit-fields';

/**
 * Names the fields of a body that are logged when the call has succeeded: who and which, never the content. A call that
 * only reads is logged when it has this, also without fields: it shows what people have said to each other.
 */
export const AuditFields = (...fields: readonly string[]): CustomDecorator => SetMetadata(AUDIT_FIELDS, fields);

/**
 * Logs one line for every call that changes something, and for those that read messages: who made it, what it was, and
 * how it ended. It is set on the controller, so that no call that changes something can be left out.
 */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  private readonly logger = new Logger('Audit');

  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(ClientAddress) private readonly clientAddress: ClientAddress,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<ReadRequest>();
    const fields = this.reflector.get<readonly string[] | undefined>(AUDIT_FIELDS, context.getHandler());
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    if (isReading && fields === undefined) return next.handle();
    const { method, route, routeOptions } = request;
    const path = route?.path ?? routeOptions?.url;
    const call = `${callerOf(request).title} from ${this.clientAddress.of(request)}: ${method} ${path}`;
    return next.handle().pipe(
      tap({
        // The call succeeded, so its fields are valid and short. JSON keeps the log line one line.
        next: () => this.logger.log(`${call} ${JSON.stringify(fieldsOf(request, fields ?? []))}: done`),
        error: (error: unknown) => this.logger.log(`${call}: refused, ${codeOf(error)}`),
      }),
    );
  }
}

function fieldsOf({ params, body }: ReadRequest, fields: readonly string[]): Record<string, unknown> {
  const given = [...Object.entries(body ?? {}).filter(([name]) => fields.includes(name)), ...Object.entries(params)];
  // User names are trimmed when they are checked: the blanks around one may break a line.
  return Object.fromEntries(given.map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value]));
}

function codeOf(error: unknown): string {
  if (error instanceof ChatError || error instanceof HandshakeRefusal) return error.code;
  if (!(error instanceof HttpException)) return 'SERVER_ERROR';
  const body = error.getResponse();
  return typeof body === 'object' && 'code' in body ? String(body.code) : String(error.getStatus());
}
