import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';

export const USAGE = `Usage: holdfast-chat NAME [options]

Chats as NAME: sends the lines that are typed, or that come through a pipe, and prints what comes.
A line is NAME|TEXT, |TEXT for the last recipient, or TEXT for everybody who is connected.

  --url URL          the server's socket; otherwise HOLDFAST_URL, or ws://127.0.0.1:3000/chat
  --token-file FILE  the file that has the token; - is the first line of a pipe; otherwise HOLDFAST_TOKEN
  --store FILE       where what was not sent yet is kept; otherwise a file below ~/.local/state/holdfast
  --no-store         keeps nothing over the end of this program
  --help

Ends with 0, with 1 when the server cannot be reached or refuses something, with 2 for a wrong call.
`;

/** A wrong call: the message is for who made it. */
export class UsageError extends Error {}

export interface Settings {
  readonly user: string;
  readonly url: URL;
  /** The file of the store; null keeps everything in memory. */
  readonly store: string | null;
  /** Where the token is. It is never an argument, which other users of the machine could see. */
  readonly token:
    | { readonly from: 'nowhere' | 'pipe' }
    | { readonly from: 'environment'; readonly value: string }
    | { readonly from: 'file'; readonly path: string };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the arguments; null when help is asked for. Throws a UsageError. */
export function readSettings(args: readonly string[], env: Environment): Settings | null {
  const { values, positionals } = parsed(args);
  if (values.help) return null;
  const [user, ...others] = positionals;
  if (!user || others.length > 0) throw new UsageError('give one name: who you are');
  if (values.store !== undefined && values['no-store']) throw new UsageError('give --store or --no-store, not both');
  const url = readUrl(values.url ?? env['HOLDFAST_URL'] ?? 'ws://127.0.0.1:3000/chat');
  const store = values['no-store'] ? null : (values.store ?? defaultStore(url, user, env));
  return { user, url, store, token: tokenFrom(values['token-file'], env) };
}

function parsed(args: readonly string[]) {
  const options = {
    url: { type: 'string' },
    'token-file': { type: 'string' },
    store: { type: 'string' },
    'no-store': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  if (args.some((arg) => /^--token(=|$)/.test(arg))) {
    throw new UsageError('a token is no argument, as others could see it; give HOLDFAST_TOKEN or --token-file');
  }
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^(ws|http)s?:$/.test(url.protocol)) {
    throw new UsageError('the URL of a server begins with ws://, wss://, http:// or https://');
  }
  return url;
}

function tokenFrom(file: string | undefined, env: Environment): Settings['token'] {
  if (file === '-') return { from: 'pipe' };
  if (file !== undefined) return { from: 'file', path: file };
  const value = env['HOLDFAST_TOKEN'];
  return value ? { from: 'environment', value } : { from: 'nowhere' };
}

/** One file for each server and user. The hash tells apart what the readable part of its name does not. */
function defaultStore({ protocol, host, pathname }: URL, user: string, env: Environment): string {
  const given = env['XDG_STATE_HOME'] ?? '';
  const base = isAbsolute(given) ? given : join(homedir(), '.local', 'state');
  const hash = createHash('sha256').update(`${protocol}//${host}${pathname}\n${user}`).digest('hex').slice(0, 16);
  const readable = `${user}@${host}`.replaceAll(/[^\w@.-]+/g, '_').slice(0, 64);
  return join(base, 'holdfast', `${readable}-${hash}.log`);
}
