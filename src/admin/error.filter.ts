import { Catch, HttpException, HttpStatus, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { ChatError } from '../protocol/chat-error.js';

const STATUS: Partial<Record<ChatError['code'], HttpStatus>> = {
  CONTENT_TOO_LARGE: HttpStatus.PAYLOAD_TOO_LARGE,
  MAILBOX_FULL: HttpStatus.TOO_MANY_REQUESTS,
  SENDER_QUOTA: HttpStatus.TOO_MANY_REQUESTS,
  STORE_UNAVAILABLE: HttpStatus.SERVICE_UNAVAILABLE,
};

/** Turns errors into answers of one shape, `{ statusCode, code, message }`; what is not meant for clients becomes a plain 500 and is logged. */
@Catch()
export class ErrorFilter extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(shaped(error), host);
  }
}

function shaped(error: unknown): unknown {
  if (error instanceof ChatError)
    return answer(STATUS[error.code] ?? HttpStatus.BAD_REQUEST, error.code, error.message);
  if (!(error instanceof HttpException)) return error;
  const body = error.getResponse();
  if (typeof body === 'object' && 'code' in body) return error;
  return answer(error.getStatus(), HttpStatus[error.getStatus()] ?? 'ERROR', error.message);
}

function answer(statusCode: number, code: string, message: string): HttpException {
  return new HttpException({ statusCode, code, message }, statusCode);
}
