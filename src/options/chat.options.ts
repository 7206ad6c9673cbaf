import { inspect } from 'node:util';
import type { ChatOptions } from './chat-options.interface.js';
import { chatOptionsSchema } from './chat-options.schema.js';
import type { GivenRecordOptions } from './record-options.js';

export type { ChatOptions } from './chat-options.interface.js';

/** ChatOptions as they are given. What is left out has its default. */
export interface GivenChatOptions extends Partial<Omit<ChatOptions, 'record'>> {
  /**
   * What was said stays for `keepMs` milliseconds, also when it was confirmed: for history, unread counts and other
   * devices.
   * @default null
   */
  record?: GivenRecordOptions | null;
}

/**
 * What a stored message counts besides its content, in bytes: its share of the row and of the indexes. With names of 8
 * to 16 letters and a UUID as the id, a file of SQLite grows by 201 to 248, and Postgres by 278 to 378. With the
 * longest names and ids it is 938 and 1,432.
 */
export const STORED_MESSAGE_BYTES = 256;

/** The injection token of the checked options. */
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
  given: GivenChatOptions = {},
  others: readonly string[] = [],
): Readonly<ChatOptions> {
  const known = [...Object.keys(chatOptionsSchema.shape), ...others];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ChatOptionsError(unknown, 'is not known', `known are ${known.join(', ')}`);
  const { data, error } = chatOptionsSchema.safeParse(given);
  if (error) {
    const { path, message } = error.issues[0]!;
    const names = path.filter((name) => typeof name === 'string'); // An item of a list has a number.
    throw new ChatOptionsError(names.join('.'), `is ${show(valueAt(given, names))}`, message);
  }
  const options: ChatOptions = data;
  for (const [option, min, remedy] of minimums(options)) {
    const value = options[option];
    if (value !== null && value < min) throw new ChatOptionsError(option, `is ${value}`, remedy);
  }
  return Object.freeze(options);
}

function valueAt(given: unknown, path: readonly string[]): unknown {
  return path.reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], given);
}

/** The rules between options. Each row is an option, its least value, and the remedy if it is less. */
function minimums({ maxContentBytes, slowBufferBytes, maxStoredBytesPerSender }: ChatOptions) {
  const longest = maxContentBytes + STORED_MESSAGE_BYTES;
  const neverWaits = 'otherwise the longest message could never wait';
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
      `give at least maxStoredBytesPerSender (${maxStoredBytesPerSender}), or lower that; otherwise one sender could fill the store`,
    ],
  ] as const;
}

// JSON would write Infinity as `null`, from which it has to be told apart.
function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 100 });
}
