import { HttpException } from '@nestjs/common';
import { ERROR_CODES, statusOf, type ChatError } from '../protocol/chat-error.js';
import type { ErrorCode, QuotaScope } from '../protocol/wire.js';

/**
 * A refusal by ChatService. The message says what happened and what to do, and never repeats what was sent; the cause
 * is for the log only. It is an HttpException: if a controller does not catch it, Nest replies with its status and the
 * body `{ statusCode, code, message }`, as the REST calls of the chat do.
 */
export class ChatException extends HttpException {
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;
  /** Only for SENDER_QUOTA: whether messages to other users may still be accepted (`mailbox`), or none (`sender`). */
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

  /** The exception of a refusal inside the chat, where there is no HTTP. */
  static of({ code, message, cause, scope }: ChatError): ChatException {
    return new ChatException(code, message, { cause, scope });
  }
}
