import { HttpException } from '@nestjs/common';
import { statusOf } from '../admin/error.filter.js';
import { ERROR_CODES, type ChatError as Refusal, type ErrorCode } from '../protocol/chat-error.js';

/**
 * A refusal by ChatService. The message says what happened and what to do, and never repeats what was sent; the cause is for
 * the log only. It is an HttpException: one that a controller lets through is answered with its status and the body
 * `{ statusCode, code, message }`, as the REST calls of the chat answer it.
 */
export class ChatError extends HttpException {
  /** The same may succeed later. */
  readonly temporary: boolean;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown } = {},
  ) {
    const status = statusOf(code);
    super({ statusCode: status, code, message }, status, options);
    this.temporary = ERROR_CODES[code].temporary;
  }

  /** The same refusal, as it is inside of the chat, where there is no HTTP. */
  static of({ code, message, cause }: Refusal): ChatError {
    return new ChatError(code, message, { cause });
  }
}
