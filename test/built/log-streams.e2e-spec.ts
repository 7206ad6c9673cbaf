import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, withDeadline } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '../../dist/main.js');
const MEMORY = { DATABASE_URL: 'sqlite::memory:' };
/** How long the server may take to listen, in milliseconds. */
const START_MS = 20_000;

let folder: string;
let child: ChildProcess | undefined;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-streams-'))));
afterEach(async () => {
  if (child?.kill('SIGKILL')) await once(child, 'close');
  child = undefined;
  await rm(folder, { recursive: true, force: true });
});

describe('the server', () => {
  it.each(['text', 'json'])('goes on when nobody reads its log any more: %s', async (LOG_FORMAT) => {
    const server = await ServerProcess.start({ ...MEMORY, LOG_FORMAT });
    try {
      const alice = await TestClient.open(`${server.socketUrl}?user=alice`);
      server.stopReading();
      for (let times = 1; times <= 3; times += 1) {
        // Each is a line of the log.
        expect((await fetch(`${server.url}/chat/pending/bob`, { method: 'DELETE' })).status).toBe(200);
      }
      alice.send('alice|still here');
      expect(await alice.next()).toBe('still here');
      expect(await server.stop()).toBe(0);
      await alice.expectClose(1001);
    } finally {
      await server.kill();
    }
  });

  it.each(['text', 'json'])('starts, runs and ends in order on a disk that is full: %s', async (LOG_FORMAT) => {
    // It can write to neither stream, so its port is found from outside.
    const full = openSync('/dev/full', 'w');
    child = spawn(process.execPath, [MAIN], {
      env: { ...MEMORY, LOG_FORMAT, PATH: process.env['PATH'], PORT: '0' },
      stdio: ['ignore', full, full],
    });
    closeSync(full);
    const ended = once(child, 'close');
    const url = `http://127.0.0.1:${await portOf(child.pid!)}`;
    const alice = await TestClient.open(`${url.replace('http', 'ws')}/chat?user=alice`);
    expect((await fetch(`${url}/chat/pending/bob`, { method: 'DELETE' })).status).toBe(200);
    child.kill('SIGTERM');
    await alice.expectClose(1001);
    expect((await withDeadline(ended, () => 'the server ends'))[0]).toBe(0);
  });

  it('says with its exit code that it does not start, also to a reader that never reads', async () => {
    const stuck = 'exec > >(exec tail --pid=$$ -f /dev/null >/dev/null 2>&1) 2>&1; head -c 65536 /dev/zero; exec "$@"';
    const { code, output } = await ServerProcess.refused({ CHAT_NONSENSE: '1' }, ['bash', '-c', stuck, 'bash']);
    expect({ code, output }).toEqual({ code: 1, output: '' });
  });
});

/** At each message, writes `lines` lines to a stream and reports how many bytes wait. Ends when the messages end. */
const WRITER = `
  import { Logger } from '@nestjs/common';
  import { ServerLogger } from './dist/observability/server-logger.js';
  import { loseLinesOnly } from './dist/process/log-streams.js';
  loseLinesOnly();
  const [format, stream] = process.argv.slice(1);
  Logger.overrideLogger(new ServerLogger(format));
  const level = stream === 'stdout' ? 'log' : 'error';
  process.on('message', ({ lines, text }) => {
    for (let n = 1; n <= lines; n += 1) new Logger('Test')[level](text + n);
    // The callbacks of what was written have been called.
    setImmediate(() => process.send(process[stream].writableLength));
  });
`;

/** Starts the writer with the given stream; `fileBytes` is the most bytes of a file, if there is one. */
async function startWriter(format: string, stream: 'stdout' | 'stderr', to: number | 'pipe', fileBytes?: number) {
  const limit = ['prlimit', `--fsize=${fileBytes ?? 'unlimited'}:unlimited`];
  const writer = [process.execPath, '--input-type=module', '-e', WRITER, format, stream];
  child = spawn(limit[0]!, [...limit.slice(1), ...writer], {
    cwd: join(import.meta.dirname, '../..'),
    env: { NO_COLOR: '1', PATH: process.env['PATH'] },
    stdio: ['ignore', stream === 'stdout' ? to : 'ignore', stream === 'stderr' ? to : 'ignore', 'ipc'],
  });
  const write = async (lines: number, text: string): Promise<number> => {
    const answer = once(child!, 'message');
    child!.send({ lines, text });
    return (await withDeadline(answer, () => 'the writer answers'))[0] as number;
  };
  return { child, write };
}

describe.each([
  ['stdout', 'text'],
  ['stdout', 'json'],
  ['stderr', 'text'],
  ['stderr', 'json'],
] as const)('%s as %s', (stream, format) => {
  const LOST = /(\d+) lines? of the log could not be written, and were lost/;
  const level = { text: stream === 'stdout' ? / WARN \[Log\] / : / ERROR \[Log\] /, json: /"context":"Log"/ }[format];

  it('loses lines on a full disk, each of them whole, and says how many when there is room again', async () => {
    const file = join(folder, 'log');
    const to = openSync(file, 'a');
    const { child: writer, write } = await startWriter(format, stream, to, 1_000);
    closeSync(to);
    await write(30, 'before-');
    expect(readFileSync(file)).toHaveLength(1_000);
    await run('prlimit', ['--pid', String(writer.pid), '--fsize=unlimited']);
    await write(1, 'after-');
    await write(1, 'later-');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const kept = lines.filter((line) => /before-\d+("|$)/.test(line) && (format === 'text' || line.endsWith('}')));
    const told = lines.filter((line) => LOST.test(line));
    expect(told).toEqual([expect.stringMatching(level)]);
    expect(Number(LOST.exec(told[0]!)![1])).toBe(30 - kept.length);
    // A line that was cut is on its own line, and not part of another.
    expect(lines).toHaveLength(kept.length + 4);
    expect(lines.at(-1)).toContain('later-1');
  });

  it('keeps no more than a bound for a reader who is stuck, and says what is missing when it reads on', async () => {
    const { child: writer, write } = await startWriter(format, stream, 'pipe');
    let read = '';
    const pipe = writer[stream]!.setEncoding('utf8').on('data', (text: string) => (read += text));
    pipe.pause();
    expect(await write(4_000, 'x'.repeat(1_000))).toBeLessThan(1_100_000);
    pipe.resume();
    await withDeadline(
      new Promise<void>((resolve) => pipe.on('data', () => LOST.test(read) && read.endsWith('\n') && resolve())),
      () => `it says what is missing; it wrote ${read.length}`,
    );
    const kept = read.match(/x{1000}\d+/g)!.length;
    expect(kept).toBeGreaterThan(1_000);
    expect(Number(LOST.exec(read)![1])).toBe(4_000 - kept);
  });
});

/** The port on which a process listens, once it does. */
async function portOf(pid: number): Promise<number> {
  let port: number | null = null;
  let files: string[] = [];
  const listens = async () => {
    files = await Promise.all((await readdir(`/proc/${pid}/fd`)).map(linkOf(pid)));
    const sockets = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
    const own = sockets.find(([, , , state, , , , , , inode]) => state === '0A' && files.includes(`socket:[${inode}]`));
    if (own) port = parseInt(own[1]!.split(':')[1]!, 16);
    return port !== null;
  };
  await eventually(listens, () => `process ${pid} listens; it has open ${files.join(' ')}`, START_MS);
  return port!;
}

/** Returns what an open file of a process is; empty when the process has just closed it. */
const linkOf = (pid: number) => (file: string) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
