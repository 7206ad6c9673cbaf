import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { eventually } from '../../test/support/deadline.js';
import { runProgram } from '../src/terminal/program.js';
import { FakeClient } from './terminal-client.js';

/** How a client tells that its connection was lost, and then that nobody is there. */
export const lost = { state: 'waiting', why: 'the connection was lost', code: 1006, retryAt: 0 } as const;
export const noServer = { state: 'waiting', why: 'the server cannot be reached', code: null, retryAt: 0 } as const;

/** A folder for the stores of a test; what the test has started ends with it. */
export let folder: string;
let undo: (() => unknown)[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-terminal-'));
  undo = [() => rm(folder, { recursive: true })];
});
afterEach(async () => {
  for (const end of undo.toReversed()) await end();
});

export interface Start {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly isTyped?: boolean;
  readonly stdout?: Writable;
  /** What is in the pipe from the beginning. */
  readonly input?: string;
}

/** Starts the program with a fake client, and waits until it has connected. */
export async function start({
  args = ['alice', '--no-store'],
  env = {},
  isTyped = false,
  stdout,
  input = '',
}: Start = {}) {
  const [stdin, out, err] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const written = { out: '', err: '' };
  out.on('data', (text: Buffer) => (written.out += text.toString()));
  err.on('data', (text: Buffer) => (written.err += text.toString()));
  stdin.write(input);
  const ending = new AbortController();
  let client: FakeClient | undefined;
  let code: number | undefined;
  const ended = runProgram(args, {
    env: { XDG_STATE_HOME: folder, ...env },
    stdin: Object.assign(stdin, { isTTY: isTyped }),
    stdout: Object.assign(stdout ?? out, { isTTY: isTyped }),
    stderr: err,
    signal: ending.signal,
    makeClient: (options) => (client = new FakeClient(options)),
  }).then((result) => (code = result));
  undo.push(async () => {
    ending.abort();
    stdin.end();
    await ended;
  });
  await eventually(() => client?.calls.includes('connect') || code !== undefined);
  return {
    client: client!,
    written,
    stdin,
    ended,
    stop: () => ending.abort(),
    /** Writes lines, and waits until so many messages were sent. */
    type: async (lines: string, sent: number) => {
      stdin.write(lines);
      await eventually(() => client!.sent.length >= sent);
    },
    /** Waits until this is written, to either stream. */
    says: (text: string) =>
      eventually(
        () => (written.out + written.err).includes(text),
        () => `${text} in ${JSON.stringify(written)}`,
      ),
  };
}
