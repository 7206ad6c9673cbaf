import { relative } from 'node:path';
import { inspect } from 'node:util';
import type { DataSourceOptions } from 'typeorm';
import { ChatOptionsError } from '../options/chat.options.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { DEFAULT_DATABASE_URL, storeOptions } from './store-options.js';

/** The values that an application may give for `database`. */
export type DatabaseOption = DataSourceOptions | string | null | undefined;

/** The options of a data source that are secrets or addresses. */
const TEXTS = ['url', 'host', 'username', 'password', 'database', 'schema'];

/**
 * Returns the options of a data source for what an application gave: options, an address as in DATABASE_URL, or
 * nothing. Throws a ChatOptionsError when they are wrong.
 */
export function resolveDatabaseOption(given: DatabaseOption): DataSourceOptions {
  if (given === null || given === undefined) return storeOptions();
  if (typeof given === 'string') return ofAddress(given);
  if (typeof given !== 'object' || Array.isArray(given)) {
    const remedy = `give the options of a data source, or an address such as '${DEFAULT_DATABASE_URL}'`;
    throw new ChatOptionsError('database', `is ${inspect(given, { depth: 0 })}`, remedy);
  }
  for (const name of TEXTS) {
    const value: unknown = given[name as keyof DataSourceOptions];
    const flaw = typeof value === 'string' ? flawOf(value) : null;
    if (flaw !== null) throw new ChatOptionsError(`database.${name}`, flaw, FLAW_REMEDY);
  }
  return given;
}

/**
 * Returns where the messages are, for the log. It leaves out the user, the password and the parameters of an address,
 * which may contain them.
 */
export function titleOf(options: DataSourceOptions): string {
  if (options.type === 'postgres') {
    const { url, host = 'localhost', port = 5432, database } = options;
    if (!url) return `postgres://${host}:${port}/${String(database ?? '')}`;
    const parsed = URL.canParse(url) ? new URL(url) : null;
    // After a slash that was not written as %2F, the rest of a password is part of the path.
    if (parsed === null || parsed.pathname.includes('@')) return 'postgres';
    return `postgres://${parsed.host || `${host}:${port}`}${parsed.pathname}`;
  }
  const database = String(options.database);
  if (database === ':memory:') return 'memory, and are gone with the process';
  const inside = relative(process.cwd(), database);
  return `${options.type}:${inside.startsWith('..') ? database : inside}`;
}

/** Names the module's option in errors, instead of DATABASE_URL. */
function ofAddress(address: string): DataSourceOptions {
  try {
    return storeOptions(address);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('DATABASE_URL ')) {
      throw new Error(error.message.replace('DATABASE_URL', 'ChatModule option database'));
    }
    throw error;
  }
}
