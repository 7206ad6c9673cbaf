import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { eventually, withDeadline } from './deadline.js';

const MAIN = join(import.meta.dirname, '../../client/dist/client/src/terminal/main.js');

/** The built terminal client in a process of its own. Run `npm run build` first. */
export class TerminalProcess {
  stdout = '';
  stderr = '';
  /** Resolves with its exit code; null when a signal has ended it. */
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  /** With a `wrapper` the whole command is its last argument, as `script` takes it. */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, wrapper: readonly string[] = []) {
    const own = [process.execPath, MAIN, ...args];
    const command = wrapper.length > 0 ? [...wrapper, own.join(' '), '/dev/null'] : own;
    this.child = spawn(command[0]!, command.slice(1), {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', TERM: 'xterm', ...env },
      stdio: 'pipe',
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.child.stdin!.on('error', () => undefined); // It ends before it has read all.
    this.ended = new Promise((resolve, reject) => {
      this.child.once('close', resolve);
      this.child.once('error', reject);
    });
  }

  write(text: string): void {
    this.child.stdin!.write(text);
  }

  end(text = ''): void {
    this.child.stdin!.end(text);
  }

  /** Waits until it has written this. */
  says(text: string): Promise<void> {
    return eventually(
      () => this.stdout.includes(text) || this.stderr.includes(text),
      () => `it says ${text}; ${this.output}`,
    );
  }

  exit(): Promise<number | null> {
    return withDeadline(this.ended, () => `the terminal client ends; ${this.output}`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return this.exit();
  }

  private get output(): string {
    return JSON.stringify({ stdout: this.stdout, stderr: this.stderr });
  }
}
