import { Catch, HttpException, HttpStatus, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { ChatError, statusOf } from '../protocol/chat-error.js';
import { HandshakeRefusal } from '../protocol/handshake-refusal.js';
import type { QuotaScope } from '../protocol/wire.js';

/** Replaces the messages of the framework and the body parser, which quote the address and the body. */
const MESSAGES: Partial<Record<HttpStatus, string>> = {
  [HttpStatus.BAD_REQUEST]: 'the request cannot be read; check its address and its body',
  [HttpStatus.NOT_FOUND]: 'nothing is served here',
  [HttpStatus.PAYLOAD_TOO_LARGE]: 'the body is longer than allowed',
  [HttpStatus.UNSUPPORTED_MEDIA_TYPE]: 'the body has to be JSON in UTF-8',
};

/** The method of a response that Express and Fastify share. */
interface FrameworkResponse {
  header(name: string, value: string): unknown;
}

/**
 * Turns errors into responses of one shape, `{ statusCode, code, message }`. An error that is not meant for clients is
 * logged and becomes a plain 500.
 */
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
      return httpError(statusOf(error.code), error.code, error.message, error.scope);
    }
    if (error instanceof HandshakeRefusal) return httpError(error.statusCode, error.code, error.message);
    if (error instanceof HttpException) {
      const body = error.getResponse();
      if (typeof body === 'object' && 'code' in body) return error;
      const status: HttpStatus = error.getStatus();
      return httpError(status, HttpStatus[status] ?? 'ERROR', MESSAGES[status] ?? error.message);
    }
    this.log.error(error);
    return httpError(HttpStatus.INTERNAL_SERVER_ERROR, 'SERVER_ERROR', 'the server failed; try again later');
  }
}

function httpError(statusCode: number, code: string, message: string, scope?: QuotaScope): HttpException {
  return new HttpException({ statusCode, code, message, scope }, statusCode);
}
