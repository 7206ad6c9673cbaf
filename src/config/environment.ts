import { ChatOptions, resolveChatOptions } from '../options/chat.options.js';
import { DEFAULT_DATABASE_URL } from '../database/store-options.js';

/** What the standalone server is told. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  /** Path of the socket and of the REST calls. */
  readonly path: string;
  readonly chat: Readonly<ChatOptions>;
}

/** A variable that does not fit; its message says which and what to give instead. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/** Variables that are not options of the chat, and what they are. */
const OWN = { CHAT_PATH: 'path', CHAT_AUTH: 'auth' } as const;
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Reads the settings of the standalone server from the environment [protocol 8]; throws an EnvironmentError, or a ChatOptionsError for a value out of its range. */
export function readEnvironment(env: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  ) as Record<string, string>;
  const host = given['HOST'] ?? '127.0.0.1';
  if (!LOOPBACK.test(host)) {
    throw new EnvironmentError(
      `HOST is '${host}', but anybody who reaches this server can be any user; give a loopback address such as 127.0.0.1.`,
    );
  }
  const auth = given['CHAT_AUTH'] ?? 'trusted';
  if (auth !== 'trusted') throw new EnvironmentError(`CHAT_AUTH is '${auth}'; give trusted, or leave it out.`);
  const path = given['CHAT_PATH'] ?? '/chat';
  if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(path)) {
    throw new EnvironmentError(`CHAT_PATH is '${path}'; give a path such as /chat.`);
  }
  return {
    host,
    port: port(given['PORT'] ?? '3000'),
    databaseUrl: given['DATABASE_URL'] ?? DEFAULT_DATABASE_URL,
    path,
    chat: resolveChatOptions(chatOptions(given)),
  };
}

function port(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65_535) return number;
  throw new EnvironmentError(`PORT is '${value}'; give a whole number from 0 to 65535, 0 for any free port.`);
}

/** `CHAT_SOME_OPTION` is the option `someOption`. */
function chatOptions(given: Record<string, string>): Partial<ChatOptions> {
  const defaults = new ChatOptions();
  const names = new Map<string, keyof ChatOptions>();
  for (const name of Object.keys(defaults) as (keyof ChatOptions)[]) {
    if (name !== 'clock') names.set(`CHAT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`, name);
  }
  const options: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(given)) {
    if (!variable.startsWith('CHAT_') || Object.hasOwn(OWN, variable)) continue;
    const name = names.get(variable);
    if (!name) {
      throw new EnvironmentError(
        `${variable} is not known; known are ${[...Object.keys(OWN), ...names.keys()].join(', ')}.`,
      );
    }
    options[name] = valueFor(variable, value, defaults[name]);
  }
  return options as Partial<ChatOptions>;
}

function valueFor(variable: string, value: string, example: unknown): unknown {
  if (value === 'none') return null;
  if (typeof example !== 'number') return value;
  if (/^\d+$/.test(value)) return Number(value);
  throw new EnvironmentError(`${variable} is '${value}'; give a whole number, or none for no limit.`);
}
