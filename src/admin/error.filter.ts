import { Catch, HttpException, HttpStatus, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { ChatError, type QuotaScope } from '../protocol/chat-error.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';

const STATUS: Partial<Record<ChatError['code'], HttpStatus>> = {
  CONTENT_TOO_LARGE: HttpStatus.PAYLOAD_TOO_LARGE,
  MAILBOX_FULL: HttpStatus.TOO_MANY_REQUESTS,
  SENDER_QUOTA: HttpStatus.TOO_MANY_REQUESTS,
  STORE_FULL: HttpStatus.SERVICE_UNAVAILABLE,
  NOT_ALLOWED: HttpStatus.FORBIDDEN,
  STORE_UNAVAILABLE: HttpStatus.SERVICE_UNAVAILABLE,
};

/** The status that answers a refusal over HTTP. */
export function statusOf(code: ChatError['code']): HttpStatus {
  return STATUS[code] ?? HttpStatus.BAD_REQUEST;
}

/** In place of what the framework and the body parser say, which quotes the address and the body. */
const MESSAGES: Partial<Record<HttpStatus, string>> = {
  [HttpStatus.BAD_REQUEST]: 'the request cannot be read; check its address and its body',
  [HttpStatus.NOT_FOUND]: 'nothing is served here',
  [HttpStatus.PAYLOAD_TOO_LARGE]: 'the body is longer than allowed',
  [HttpStatus.UNSUPPORTED_MEDIA_TYPE]: 'the body has to be JSON in UTF-8',
};

/** What Express and Fastify call alike. */
interface FrameworkResponse {
  header(name: string, value: string): unknown;
}

/** Turns errors into answers of one shape, `{ statusCode, code, message }`; what is not meant for clients becomes a plain 500 and is logged. */
@Catch()
export class ErrorFilter extends BaseExceptionFilter {
  private readonly log = new Logger('ErrorFilter');

  override catch(error: unknown, host: ArgumentsHost): void {
    if (error instanceof HandshakeRefusal) {
      const response = host.switchToHttp().getResponse<FrameworkResponse>();
      for (const [name, value] of Object.entries(error.headers)) response.header(name, value);
    }
    super.catch(this.toHttpException(error), host);
  }

  private toHttpException(error: unknown): HttpException {
    if (error instanceof ChatError) {
      return answer(statusOf(error.code), error.code, error.message, error.scope);
    }
    if (error instanceof HandshakeRefusal) return answer(error.statusCode, error.code, error.message);
    if (error instanceof HttpException) {
      const body = error.getResponse();
      if (typeof body === 'object' && 'code' in body) return error;
      const status: HttpStatus = error.getStatus();
      return answer(status, HttpStatus[status] ?? 'ERROR', MESSAGES[status] ?? error.message);
    }
    this.log.error(error);
    return answer(HttpStatus.INTERNAL_SERVER_ERROR, 'SERVER_ERROR', 'the server failed; try again later');
  }
}

function answer(statusCode: number, code: string, message: string, scope?: QuotaScope): HttpException {
  return new HttpException({ statusCode, code, message, scope }, statusCode);
}
