import { inspect } from 'node:util';
import type { ChatOptions } from './chat-options.interface.js';
import { chatOptionsSchema } from './chat-options.schema.js';

export type { ChatOptions } from './chat-options.interface.js';

/**
 * What a stored message counts besides its content, in bytes: the share of its row and of the indexes. A file of SQLite
 * grows by 201 to 248 with names of 8 to 16 letters and a UUID as the id, Postgres by 278 to 378. With the longest names
 * and ids it is 938 and 1,432.
 */
export const STORED_MESSAGE_BYTES = 256;

/** The token of the merged and validated options: all that a service injects. */
export const CHAT_OPTIONS = Symbol.for('holdfast:options');

/** An option that does not fit. It stops the start. The message names the option, the value and what to give. */
export class ChatOptionsError extends Error {
  override readonly name = 'ChatOptionsError';

  constructor(
    /** The name of the option. */
    readonly option: string,
    /** What is wrong with it: `is`, and the value. */
    readonly problem: string,
    /** What to give instead. */
    readonly remedy: string,
  ) {
    super(`ChatModule option ${option} ${problem}; ${remedy}.`);
  }
}

/**
 * Fills in the defaults and checks every value. Throws a ChatOptionsError for a value that does not fit, and for a name
 * that is neither an option nor one of `others`.
 */
export function resolveChatOptions(
  given: Partial<ChatOptions> = {},
  others: readonly string[] = [],
): Readonly<ChatOptions> {
  const known = [...Object.keys(chatOptionsSchema.shape), ...others];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ChatOptionsError(unknown, 'is not known', `known are ${known.join(', ')}`);
  const { data, error } = chatOptionsSchema.safeParse(given);
  if (error) {
    const { path, message } = error.issues[0]!;
    const option = path[0] as keyof ChatOptions;
    throw new ChatOptionsError(option, `is ${show(given[option])}`, message);
  }
  const options: ChatOptions = data;
  for (const [option, min, remedy] of minimums(options)) {
    const value = options[option];
    if (value !== null && value < min) throw new ChatOptionsError(option, `is ${value}`, remedy);
  }
  return Object.freeze(options);
}

/** The rules over several options: which has to be how much at least, and what to say if it is less. */
function minimums({ maxContentBytes, slowBufferBytes, maxStoredBytesPerSender }: ChatOptions) {
  const longest = maxContentBytes + STORED_MESSAGE_BYTES;
  const neverWaits = 'or the longest message could never wait';
  const room = `give at least ${longest}, which is maxContentBytes and ${STORED_MESSAGE_BYTES}, ${neverWaits}`;
  return [
    [
      'maxFrameBytes',
      maxContentBytes + 1,
      `give more than maxContentBytes (${maxContentBytes}), as a frame holds the content and its envelope`,
    ],
    [
      'maxBufferedBytes',
      slowBufferBytes + 1,
      `give more than slowBufferBytes (${slowBufferBytes}), otherwise a connection would be closed before it is ever paused`,
    ],
    ['maxPendingBytesPerUser', maxContentBytes, `give at least maxContentBytes (${maxContentBytes}), ${neverWaits}`],
    ['maxStoredBytesPerSender', longest, room],
    ['maxStoredBytes', longest, room],
    [
      'maxStoredBytes',
      maxStoredBytesPerSender ?? 0,
      `give at least maxStoredBytesPerSender (${maxStoredBytesPerSender}), or less for that, or one sender could fill the store`,
    ],
  ] as const;
}

// Not JSON, in which Infinity is `null`: the very value that it has to be told apart from.
function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 100 });
}
