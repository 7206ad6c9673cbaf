import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, withDeadline } from './deadline.js';

const ROOT = join(import.meta.dirname, '../..');
/** A timeout in milliseconds. Under strace a process takes a few times as long. */
const TRACED_MS = 30_000;
/** System calls that write, and those that wait for the disk. Strings are as long as the longest page or frame. */
const TRACE = ['-f', '-y', '-s', '65536', '-e', 'trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg'];

/** Says whether `strace` can be run here. */
export function isStraceInstalled(): boolean {
  return spawnSync('strace', ['--version']).status === 0;
}

/** The steps for one message, in this order: written into the write-ahead log, that log synced, the sender told. */
export type Step = 'written' | 'synced' | 'told stored' | 'told delivered';

/** A Node process that runs under strace. */
export class TracedProcess {
  stdout = '';
  private stderr = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  /** `args` are the arguments of `node`, which runs in the folder of the project. */
  constructor(
    private readonly traceFile: string,
    args: string[],
    env: NodeJS.ProcessEnv = {},
  ) {
    this.child = spawn('strace', [...TRACE, '-o', traceFile, process.execPath, ...args], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (text: Buffer) => (this.stdout += text.toString()));
    this.child.stderr!.on('data', (text: Buffer) => (this.stderr += text.toString()));
    this.ended = once(this.child, 'close');
  }

  /** Waits until the process has written this; returns the match. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    await eventually(
      () => {
        if (this.child.exitCode !== null) throw new Error(`it ended; it wrote ${this.stdout}${this.stderr}`);
        return pattern.test(this.stdout);
      },
      () => `it writes ${pattern}; it wrote ${this.stdout}${this.stderr}`,
      TRACED_MS,
    );
    return pattern.exec(this.stdout)!;
  }

  /** Waits until the process has ended by itself; returns what it did. */
  async end(): Promise<Trace> {
    await withDeadline(this.ended, () => `it ends; it wrote ${this.stdout}${this.stderr}`, TRACED_MS);
    return new Trace(await readFile(this.traceFile, 'utf8'));
  }

  /** Kills the process if it still runs; returns what it did. */
  async kill(): Promise<Trace> {
    // A strace that is killed leaves its process behind. One that is asked to end does not.
    const { pid } = this.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    for (const child of children.split(' ').filter(Boolean)) process.kill(Number(child), 'SIGKILL');
    return this.end();
  }
}

interface Call {
  readonly name: string;
  /** What strace shows of the arguments. */
  readonly shown: string;
  /** Lines of the trace. */
  readonly begin: number;
  end: number;
}

/** The system calls of a process, in order, and what they mean. */
export class Trace {
  private readonly calls: Call[] = [];

  /** Reads the output of strace. A call that others interrupt has two lines: its begin and its end. */
  constructor(text: string) {
    const unfinished = new Map<string, Call>();
    text.split('\n').forEach((line, index) => {
      const resumed = /^(\d+) +<\.\.\. \w+ resumed>/.exec(line);
      if (resumed) {
        const call = unfinished.get(resumed[1]!);
        if (call) call.end = index;
        return;
      }
      const [, thread, name, shown] = /^(\d+) +(\w+)\((.*)$/s.exec(line) ?? [];
      if (thread === undefined || name === undefined || shown === undefined) return;
      const isWhole = !shown.endsWith('<unfinished ...>');
      const call: Call = { name, shown, begin: index, end: isWhole ? index : Infinity };
      if (!isWhole) unfinished.set(thread, call);
      this.calls.push(call);
    });
  }

  /**
   * Returns the steps for the message with this id, each when it was first seen. `synced` only counts after `written`.
   */
  stepsOf(id: string): Step[] {
    const isLog = ({ shown }: Call) => /^\d+<[^>]*-wal>/.test(shown);
    const written = this.calls.find((call) => call.name === 'pwrite64' && isLog(call) && call.shown.includes(id));
    const synced = this.calls.find(
      ({ name, begin, ...call }) =>
        written && name.endsWith('sync') && isLog({ name, begin, ...call }) && begin > written.end,
    );
    const receipt = (status: string) => `\\"id\\":\\"${id}\\",\\"status\\":\\"${status}\\"`;
    const told = (status: string) => this.calls.find((call) => !isLog(call) && call.shown.includes(receipt(status)));
    const steps: [Step, number | undefined][] = [
      ['written', written?.begin],
      // The data is on the disk when the call returns, and not before.
      ['synced', synced?.end],
      ['told stored', told('stored')?.begin],
      ['told delivered', told('delivered')?.begin],
    ];
    return steps
      .filter((step): step is [Step, number] => step[1] !== undefined)
      .sort(([, one], [, other]) => one - other)
      .map(([step]) => step);
  }
}
