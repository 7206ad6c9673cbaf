import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ClientOptions, HoldfastClient } from '../api.js';
import { createClient } from '../create-client.js';
import { fileStore } from '../file-store.js';
import { MemoryStore } from '../memory-store.js';
import type { Store } from '../store.js';
import { Conversation, ExitCode } from './conversation.js';
import { screenFor, type Screen, type Streams } from './screen.js';
import { readSettings, USAGE, UsageError, type Settings } from './settings.js';
import { visible } from './texts.js';

/** What surrounds the program. */
export interface Surroundings extends Streams {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends it early. */
  readonly signal: AbortSignal;
  readonly makeClient?: (options: ClientOptions) => HoldfastClient;
}

/** Runs the program with these arguments. Resolves with its exit code, and never rejects. */
export async function runProgram(args: readonly string[], around: Surroundings): Promise<ExitCode> {
  try {
    const settings = readSettings(args, around.env);
    if (settings) return await chat(settings, around);
    around.stdout.write(USAGE);
    return ExitCode.OK;
  } catch (error) {
    const message = visible(error instanceof Error ? error.message : String(error));
    const isUsage = error instanceof UsageError;
    around.stderr.write(`holdfast-chat: ${message}${isUsage ? '; --help says more' : ''}\n`);
    return isUsage ? ExitCode.USAGE : ExitCode.FAILED;
  }
}

async function chat(settings: Settings, around: Surroundings): Promise<ExitCode> {
  const { url, user } = settings;
  const WebSocket = await webSocket();
  const screen = screenFor(around);
  try {
    const token = await tokenOf(settings, screen);
    const store = await openStore(settings);
    // Messages wait as long as nobody reads the output, as behind a pager.
    const handlerMs = Infinity;
    const options: ClientOptions = { url, user, store, handlerMs, tabs: 'separate', ...token, ...WebSocket };
    const client = (around.makeClient ?? createClient)(options);
    const address = `${url.protocol}//${url.host}${url.pathname}`;
    const conversation = new Conversation(client, screen, {
      user,
      address,
      left: await store.outbox(),
      isKept: store.persistent,
    });
    around.signal.addEventListener('abort', () => conversation.stop());
    const lost = new Promise<ExitCode>((resolve) => {
      around.stdout.on('error', () => resolve(ExitCode.FAILED));
    });
    // What could not be shown is not handled: it comes again the next time. So nothing waits for its handler.
    return await Promise.race([lost, toTheEnd(conversation, client)]);
  } finally {
    screen.close();
  }
}

async function toTheEnd(conversation: Conversation, client: HoldfastClient): Promise<ExitCode> {
  try {
    return await conversation.run();
  } finally {
    await client.close();
  }
}

async function openStore({ store }: Settings): Promise<Store> {
  if (store === null) return new MemoryStore();
  try {
    await mkdir(dirname(store), { recursive: true, mode: 0o700 });
    return await fileStore(store);
  } catch (error) {
    throw new Error(`${store}: ${(error as Error).message}`, { cause: error });
  }
}

/** The option with the token. A file is read at every connect, as another program may bring it up to date. */
async function tokenOf({ token }: Settings, screen: Screen): Promise<Pick<ClientOptions, 'token'>> {
  if (token.from === 'nowhere') return {};
  if (token.from === 'environment') return { token: () => token.value };
  if (token.from === 'file') return { token: async () => (await readFile(token.path, 'utf8')).trim() };
  if (screen.isTyped) throw new UsageError('a token that is typed would be seen; give HOLDFAST_TOKEN or a file');
  const { value, done } = await screen.lines.next();
  if (done || !value) throw new UsageError('the first line of the pipe is the token; there is none');
  return { token: () => value.trim() };
}

/** The option with the WebSocket. Node has one since version 22. */
async function webSocket(): Promise<Pick<ClientOptions, 'WebSocket'>> {
  if (typeof globalThis.WebSocket === 'function') return {};
  try {
    const { WebSocket } = await import('ws');
    return { WebSocket };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error('this version of Node has no WebSocket; use Node 22 or later, or npm install ws', { cause: error });
  }
}
