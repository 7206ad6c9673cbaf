import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, withDeadline } from './deadline.js';

const ROOT = join(import.meta.dirname, '../..');
/** With strace beside it a process takes a few times as long; in milliseconds. */
const TRACED_MS = 30_000;
/** Calls that write, and calls that wait for the disk. Strings are as long as the longest page or frame. */
const TRACE = ['-f', '-y', '-s', '65536', '-e', 'trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg'];

/** Says whether `strace` can be run here. */
export function isStraceInstalled(): boolean {
  return spawnSync('strace', ['--version']).status === 0;
}

/** What was done for one message, in this order: written into the write-ahead log, that log synced, its sender told. */
export type Step = 'written' | 'synced' | 'told stored' | 'told delivered';

/** A Node process that runs under strace. */
export class TracedProcess {
  stdout = '';
  private stderr = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  /** `args` are what `node` is told, in the folder of the project. */
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

  /** Waits until it has written this; answers the match. */
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

  /** Waits until it has ended by itself; answers what it did. */
  async end(): Promise<Trace> {
    await withDeadline(this.ended, () => `it ends; it wrote ${this.stdout}${this.stderr}`, TRACED_MS);
    return new Trace(await readFile(this.traceFile, 'utf8'));
  }

  /** Kills it, if it is there still; answers what it did. */
  async kill(): Promise<Trace> {
    // A strace that is killed leaves its process behind, and one that is asked to end does not.
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

/** The calls of a process to the system, in order, and what they mean. */
export class Trace {
  private readonly calls: Call[] = [];

  /** Reads what strace has written: a call that others ran into has two lines, and holds from its begin to its end. */
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

  /** What was done for the message with this id, each step when it was first seen; `synced` counts after `written` only. */
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
      // It is on the disk when the call returns, and not before.
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
