import { HttpException } from '@nestjs/common';
import { statusOf } from '../admin/error.filter.js';
import { ERROR_CODES, type ChatError as Refusal, type ErrorCode, type QuotaScope } from '../protocol/chat-error.js';

/**
 * A refusal by ChatService. The message says what happened and what to do, and never repeats what was sent; the cause is for
 * the log only. It is an HttpException: one that a controller lets through is answered with its status and the body
 * `{ statusCode, code, message }`, as the REST calls of the chat answer it.
 */
export class ChatError extends HttpException {
  /** The same may succeed later. */
  readonly temporary: boolean;
  /** Of a SENDER_QUOTA alone: whether a message for another user may go through meanwhile (`mailbox`), or none (`sender`). */
  readonly scope: QuotaScope | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; scope?: QuotaScope | undefined } = {},
  ) {
    const status = statusOf(code);
    const { cause, scope } = options;
    super({ statusCode: status, code, message, ...(scope && { scope }) }, status, { cause });
    this.temporary = ERROR_CODES[code].temporary;
    this.scope = scope;
  }

  /** The same refusal, as it is inside of the chat, where there is no HTTP. */
  static of({ code, message, cause, scope }: Refusal): ChatError {
    return new ChatError(code, message, { cause, scope });
  }
}
