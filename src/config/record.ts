import type { GivenRecordOptions } from '../options/record-options.js';
import { EnvironmentError } from './environment-error.js';

/** The variables of the record, by the part of the option. */
export const RECORD_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['keepMs', 'CHAT_RECORD_MS'],
  ['maxPerConversation', 'CHAT_RECORD_PER_CONVERSATION'],
  ['conversationsPerDay', 'CHAT_RECORD_CONVERSATIONS_PER_DAY'],
]);

/**
 * Returns the option as it was written; null when nothing is recorded. `read` returns the value that a text stands for.
 * Throws an EnvironmentError when only the limits are given.
 */
export function readRecord(
  given: Readonly<Record<string, string>>,
  read: (name: string, text: string) => unknown,
): GivenRecordOptions | null {
  const written = [...RECORD_VARIABLES].filter(([, variable]) => given[variable] !== undefined);
  const record: Record<string, unknown> = Object.fromEntries(
    written.map(([name, variable]) => [name, read(name, given[variable]!)]),
  );
  // The check of the options refuses what does not fit.
  if ((record['keepMs'] ?? null) !== null) return record as unknown as GivenRecordOptions;
  const limit = written.find(([name]) => name !== 'keepMs');
  if (!limit) return null;
  throw new EnvironmentError(
    `${limit[1]} is given, but nothing is recorded; give CHAT_RECORD_MS, such as 90d, or leave it out.`,
  );
}
