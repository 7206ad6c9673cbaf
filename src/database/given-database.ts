import { relative } from 'node:path';
import { inspect } from 'node:util';
import type { DataSourceOptions } from 'typeorm';
import { ChatOptionsError } from '../options/chat.options.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { DEFAULT_DATABASE_URL, storeOptions } from './store-options.js';

/** What an application may give for `database`. */
export type GivenDatabase = DataSourceOptions | string | null | undefined;

/** What of the options of a data source is a secret or an address. */
const TEXTS = ['url', 'host', 'username', 'password', 'database', 'schema'];

/** The options of a data source for what an application gave: options, an address as in DATABASE_URL, or nothing. Throws a ChatOptionsError. */
export function givenDatabase(given: GivenDatabase): DataSourceOptions {
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

/** Where the messages are, for the log: without a user or a password, and without the parameters of an address, which may hold them. */
export function titleOf(options: DataSourceOptions): string {
  if (options.type === 'postgres') {
    const { url, host = 'localhost', port = 5432, database } = options;
    if (!url) return `postgres://${host}:${port}/${String(database ?? '')}`;
    const parsed = URL.canParse(url) ? new URL(url) : null;
    // Behind a slash that nobody wrote as %2F the rest of a password would be a part of the path.
    if (parsed === null || parsed.pathname.includes('@')) return 'postgres';
    return `postgres://${parsed.host || `${host}:${port}`}${parsed.pathname}`;
  }
  const database = String(options.database);
  if (database === ':memory:') return 'memory, and are gone with the process';
  const inside = relative(process.cwd(), database);
  return `${options.type}:${inside.startsWith('..') ? database : inside}`;
}

/** Says what is wrong in the words of the module. */
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
