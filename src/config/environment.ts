import type { AuthenticationOptions } from '../authentication/authentication.options.js';
import type { ClusterSettings } from '../cluster/cluster.options.js';
import { LIST_OPTIONS } from '../options/chat-options.schema.js';
import { ChatOptionsError, resolveChatOptions, type ChatOptions } from '../options/chat.options.js';
import { FLAW_REMEDY, flawOf } from '../options/flaw.js';
import { isSocketPath } from '../options/socket-path.js';
import { DEFAULT_DATABASE_URL } from '../database/store-options.js';
import { AUTHENTICATION_VARIABLES, readAuthentication, readUserClaim } from './authentication.js';
import { CLUSTER_VARIABLES, readCluster } from './cluster.js';
import { closest } from './closest.js';
import { EnvironmentError } from './environment-error.js';
import { isForeign } from './foreign.js';
import { readRecord, RECORD_VARIABLES } from './record.js';
import { amountOf, unitsOf, VARIABLES } from './variables.js';

/** The settings of the standalone server. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  /** How this node speaks with the others of its cluster; null when it is the only server of its database. */
  readonly cluster: ClusterSettings | null;
  /** Path of the socket and of the REST calls. */
  readonly path: string;
  readonly chat: Readonly<ChatOptions>;
  readonly authentication: Readonly<AuthenticationOptions>;
  /** The claim of a token that holds the user's name; null where no tokens are checked. */
  readonly userClaim: string | null;
}

/** How the standalone server writes its log: for people, or as one JSON object a line. */
export type LogFormat = 'text' | 'json';

/** Variables that are not options of the chat. */
export const OWN_VARIABLES: readonly string[] = [
  'CHAT_PATH',
  ...CLUSTER_VARIABLES,
  ...AUTHENTICATION_VARIABLES,
  ...RECORD_VARIABLES.values(),
];

/** The variable of each option, and of each part of an option. */
const VARIABLE_OF: ReadonlyMap<string, string> = new Map([
  ...VARIABLES,
  ...[...RECORD_VARIABLES].map(([name, variable]) => [`record.${name}`, variable] as const),
]);

/** Reads the settings of the standalone server from the environment [protocol 8]; throws an EnvironmentError. */
export function readEnvironment(env: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  ) as Record<string, string>;
  checkTexts(given);
  const host = given['HOST'] ?? '127.0.0.1';
  const path = given['CHAT_PATH'] ?? '/chat';
  if (!isSocketPath(path)) {
    throw new EnvironmentError(`CHAT_PATH is '${path}'; give a path such as /chat.`);
  }
  const databaseUrl = given['DATABASE_URL'] ?? DEFAULT_DATABASE_URL;
  return {
    host,
    port: port(given['PORT'] ?? '3000'),
    databaseUrl,
    cluster: readCluster(given, databaseUrl),
    path,
    chat: chatOptions(given),
    authentication: readAuthentication(given, host),
    userClaim: readUserClaim(given),
  };
}

/** Checks the text of our own variables. Only the public key may have several lines. */
function checkTexts(given: Record<string, string>): void {
  for (const [variable, value] of Object.entries(given)) {
    const isOurs = variable.startsWith('CHAT_') || ['HOST', 'PORT', 'DATABASE_URL'].includes(variable);
    const flaw = isOurs && variable !== 'CHAT_JWT_PUBLIC_KEY' ? flawOf(value) : null;
    if (flaw !== null) throw new EnvironmentError(`${variable} ${flaw}; ${FLAW_REMEDY}.`);
  }
}

/**
 * Reads `LOG_FORMAT` before the rest, so that errors in the rest are logged in this format. Throws an
 * EnvironmentError.
 */
export function readLogFormat(env: NodeJS.ProcessEnv): LogFormat {
  const format = env['LOG_FORMAT'] || 'text';
  if (format === 'text' || format === 'json') return format;
  throw new EnvironmentError(`LOG_FORMAT is '${format}'; give text or json, or leave it out.`);
}

function port(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65_535) return number;
  throw new EnvironmentError(`PORT is '${value}'; give a whole number from 0 to 65535, 0 for any free port.`);
}

function chatOptions(given: Record<string, string>): Readonly<ChatOptions> {
  const known = new Map([...VARIABLES].map(([name, variable]) => [variable, name]));
  const options: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(given)) {
    if (!variable.startsWith('CHAT_') || OWN_VARIABLES.includes(variable)) continue;
    const name = known.get(variable);
    if (!name && isForeign(variable, value)) continue;
    if (!name) throw unknown(variable, [...OWN_VARIABLES, ...known.keys()]);
    options[name] = parsed(name, value);
  }
  options['record'] = readRecord(given, parsed);
  try {
    return resolveChatOptions(options);
  } catch (error) {
    throw error instanceof ChatOptionsError ? inVariables(error, given) : error;
  }
}

function unknown(variable: string, known: readonly string[]): EnvironmentError {
  const meant = closest(variable, known);
  const question = meant ? ` Did you mean ${meant}?` : '';
  return new EnvironmentError(`${variable} is not known; known are ${known.join(', ')}.${question}`);
}

/**
 * Returns the value of an option. A text that is not a number stays a text, which the check of the option then refuses.
 */
function parsed(option: string, text: string): unknown {
  if (text === 'none') return null;
  if (LIST_OPTIONS.includes(option)) return text.split(',').map((item) => item.trim());
  return amountOf(option, text) ?? text;
}

/**
 * Returns the same error with the names of the variables, since the operator does not know the option `ackWindow` or
 * the value `null`.
 */
function inVariables({ option, problem, remedy }: ChatOptionsError, given: Record<string, string>): EnvironmentError {
  const variable = VARIABLE_OF.get(option)!;
  const value = given[variable];
  if (value === undefined) return new EnvironmentError(`${variable} ${problem}; ${inWords(remedy)}.`);
  const units = amountOf(option, value) === null ? Object.keys(unitsOf(option)) : [];
  const hint = units.length > 0 ? `; units are ${units.join(', ')}` : '';
  return new EnvironmentError(`${variable} is '${value}'; ${inWords(remedy)}${hint}.`);
}

function inWords(remedy: string): string {
  return remedy.replace(/\w+/g, (word) => (word === 'null' ? 'none' : (VARIABLES.get(word) ?? word)));
}
