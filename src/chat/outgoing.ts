import { chatOptionsSchema } from '../options/chat-options.schema.js';
import { rowOf, type OutgoingMessage } from '../outgoing/outgoing-message.js';
import { insertStatement, type OutgoingStatement } from '../outgoing/outgoing-table.js';
import { ChatError } from '../protocol/chat-error.js';
import type { SizeLimits } from '../protocol/send-request.js';
import { ChatException } from './chat-exception.js';

const LIMITS = chatOptionsSchema.pick({ maxContentBytes: true, maxMetaBytes: true });

/** What the chat or the database has other than the defaults. */
export interface OutgoingSettings extends Partial<SizeLimits> {
  /** The schema of the table on Postgres, when it is not in the search path. */
  readonly schema?: string;
}

/**
 * Returns the statement that does what `ChatService.sendInTransaction` does, for a transaction of Prisma, Drizzle, Knex
 * or a plain driver, also in a process that has no chat. The chat with the option `outgoing` sends the message within a
 * second of the commit. Throws a ChatException when the message is not valid. It does not count what waits.
 */
export function outgoing(message: OutgoingMessage, { schema, ...limits }: OutgoingSettings = {}): OutgoingStatement {
  try {
    return insertStatement(rowOf(message, LIMITS.parse(limits), Date.now()), schema);
  } catch (error) {
    throw error instanceof ChatError ? ChatException.of(error) : error;
  }
}
