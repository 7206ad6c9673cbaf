import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { TestClient } from '../../src/testing/index.js';
import { withDeadline } from './deadline.js';

const run = promisify(execFile);

/** How long an application may take to listen, and to end after a signal, in milliseconds. */
const START_MS = 30_000;
const STOP_MS = 20_000;
/** How long a script of an application may take, in milliseconds. It compiles. */
const SCRIPT_MS = 120_000;

/** An application of test/consumers, which has the packed Holdfast; `npm run prepare:tests` installs it. */
export class Consumer {
  constructor(readonly name: string) {}

  get folder(): string {
    return join(import.meta.dirname, '../consumers', this.name);
  }

  /** Runs a command in its folder; rejects with its output when it fails. */
  async run(command: string, ...args: string[]): Promise<string> {
    try {
      const { stdout } = await run(command, args, { cwd: this.folder, timeout: SCRIPT_MS, maxBuffer: 2 ** 24 });
      return stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${this.name}: ${command} ${args.join(' ')} failed: ${stdout}${stderr}`, { cause: error });
    }
  }

  /** Starts one of the programs that were built, with its data in a folder of its own, and waits until it listens. */
  async start(program = 'main', env: NodeJS.ProcessEnv = {}): Promise<ConsumerProcess> {
    const application = new ConsumerProcess(join(this.folder, `dist/${program}.js`), env);
    try {
      await application.listening();
      return application;
    } catch (error) {
      await application.kill();
      throw error;
    }
  }
}

/** An application in a process of its own, on a free port. */
export class ConsumerProcess {
  port = 0;
  private readonly data = mkdtempSync(join(tmpdir(), 'holdfast-consumer-'));
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;
  private output = '';

  constructor(main: string, env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [main], {
      cwd: this.data,
      env: { PATH: process.env['PATH'], NO_COLOR: '1', PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = once(this.child, 'close').finally(() => rmSync(this.data, { recursive: true, force: true }));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += stripVTControlCharacters(text)));
    }
  }

  async listening(): Promise<void> {
    const heard = new Promise<string>((resolve, reject) => {
      this.child.stdout!.on('data', () => {
        const port = /^listening on http:\/\/\S+:(\d+)$/m.exec(this.output)?.[1];
        if (port) resolve(port);
      });
      this.ended.then(() => reject(new Error(`it ended: ${this.output}`)), reject);
    });
    this.port = Number(await withDeadline(heard, () => `it listens; it wrote ${this.output}`, START_MS));
  }

  connect(user: string): Promise<TestClient> {
    return TestClient.open(`ws://127.0.0.1:${this.port}/chat?user=${user}`);
  }

  get(path: string): Promise<unknown> {
    return this.request('GET', path);
  }

  async request(method: 'GET' | 'POST' | 'DELETE', path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { method });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}; it wrote ${this.output}`);
    return response.headers.get('content-type')?.includes('json') ? response.json() : response.text();
  }

  /** Asks it to end; returns its exit code. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    await withDeadline(this.ended, () => `it ends; it wrote ${this.output}`, STOP_MS);
    return this.child.exitCode;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
