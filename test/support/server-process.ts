import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { withDeadline } from './deadline.js';

/** How long the server may take to listen, and to end after a signal, in milliseconds. */
const START_MS = 180_000;
const STOP_MS = 90_000;

const MAIN = join(import.meta.dirname, '../../dist/main.js');
// `npm start` also has --enable-source-maps, which makes a start a fifth slower. The test of the README starts it so.
const CHECKOUT = [process.execPath, MAIN];
const LISTENING = /listening on (http:\/\/\S+)/;
const SOCKET = /connect to (ws:\/\/[^?\s]+)/;

/** A test sends a flood from one address. A test of these limits sets them. */
const UNLIMITED = {
  CHAT_FRAMES_PER_SECOND: 'none',
  CHAT_BROADCASTS_PER_SECOND: 'none',
  CHAT_SIGNALS_PER_SECOND: 'none',
  CHAT_CONNECTIONS_PER_ADDRESS: 'none',
};

/** How a process ended: with an exit code or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * The built server in its own process, on a free port. Of the test's environment it only sees PATH and what it is
 * given. Run `npm run build` first: it starts what is in dist/.
 */
export class ServerProcess {
  /** What it has written so far, without colours. */
  stdout = '';
  stderr = '';
  /** Both streams as they came, with every control character. */
  written = '';
  /** Where its REST calls are, such as `http://127.0.0.1:34567`. */
  url = '';
  /** Where its socket is, such as `ws://127.0.0.1:34567/chat`. */
  socketUrl = '';
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  private readonly child: ChildProcess;

  private constructor(env: NodeJS.ProcessEnv, wrapper: readonly string[] = [], program: readonly string[] = CHECKOUT) {
    const command = [...wrapper, ...program];
    this.child = spawn(command[0]!, command.slice(1), {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', PORT: '0', ...UNLIMITED, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve, reject) => {
      // Not 'exit': at 'close' its whole output has been read, too.
      this.child.once('close', (code, signal) => resolve({ code, signal }));
      this.child.once('error', reject);
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.written += text));
    this.child
      .stdout!.setEncoding('utf8')
      .on('data', (text: string) => (this.stdout += stripVTControlCharacters(text)));
    this.child
      .stderr!.setEncoding('utf8')
      .on('data', (text: string) => (this.stderr += stripVTControlCharacters(text)));
  }

  /**
   * Starts it, by this command if one is given, and waits until it listens; rejects with its output when it ends
   * before. `DATABASE_URL` is required. `program` starts another server than the one of this checkout.
   */
  static async start(
    env: NodeJS.ProcessEnv & { readonly DATABASE_URL: string },
    wrapper?: readonly string[],
    program?: readonly string[],
    patienceMs = START_MS,
  ): Promise<ServerProcess> {
    const server = new ServerProcess(env, wrapper, program);
    try {
      await withDeadline(server.listening(), () => `the server listens; it wrote ${server.output}`, patienceMs);
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  /** Starts it where it must refuse to start, by this command if one is given, and waits until it has ended. */
  static async refused(
    env: NodeJS.ProcessEnv,
    wrapper?: readonly string[],
  ): Promise<{ code: number | null; output: string }> {
    const server = new ServerProcess(env, wrapper);
    try {
      const exit = await withDeadline(server.exited, () => `the server ends; it wrote ${server.output}`, START_MS);
      return { code: exit.code, output: server.stdout + server.stderr };
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Asks it to end and waits until it has; returns its exit code, null when the signal ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = STOP_MS): Promise<number | null> {
    this.child.kill(signal);
    const late = () => `the server ends after ${signal}; it wrote ${this.output}`;
    return (await withDeadline(this.exited, late, patienceMs)).code;
  }

  /** Kills it, as a crash would. It may have ended already. */
  async kill(): Promise<Exit> {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  /** Closes the pipes of its output, as a reader that goes away does. */
  stopReading(): void {
    for (const stream of [this.child.stdout!, this.child.stderr!]) stream.destroy();
  }

  private get output(): string {
    return JSON.stringify({ stdout: this.stdout, stderr: this.stderr });
  }

  private listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.child.stdout!.on('data', () => {
        const url = LISTENING.exec(this.stdout)?.[1];
        const socketUrl = SOCKET.exec(this.stdout)?.[1];
        if (!url || !socketUrl || !this.stdout.endsWith('\n')) return;
        this.url = url;
        this.socketUrl = socketUrl;
        resolve();
      });
      this.exited.then(
        ({ code, signal }) => reject(new Error(`the server ended with ${code ?? signal}; it wrote ${this.output}`)),
        reject,
      );
    });
  }
}
