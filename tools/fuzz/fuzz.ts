import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually } from '../../test/support/deadline.js';
import { ServerProcess } from '../../test/support/server-process.js';
import { FuzzAttack } from './attack.js';
import { HealthyPairs } from './healthy-pairs.js';
import { table } from '../table.js';

const SOCKETS = 50;
const PAIRS = 5;
const MIB = 1024 * 1024;
/** The number of rounds in which frames are written. After each, the server reports the memory that it holds. */
const ROUNDS = 5;
/**
 * The most bytes by which the memory may grow from the first round to the last. The bounded tables (users, receipts,
 * mailboxes) go on filling up, which takes at most 6.5 MiB after 100,000 frames. A leak of 100 bytes a frame would cost
 * 7.6 MiB beside that.
 */
const GROWTH_BYTES = 9 * MIB;
const REPORTER = fileURLToPath(new URL('report-heap-on-signal.cjs', import.meta.url));

const USAGE = `Writes mutated frames and handshakes to a built server of its own, while healthy clients chat and must lose nothing.

  npm run fuzz -- [--seed N] [--frames 100000]

  --seed    the same seed writes the same bytes; a new one, which is printed, unless given
`;

/** A mistake in the command line. Its message is for the user. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { seed, frames } = readArguments();
  process.stdout.write(`seed ${seed}, ${frames} frames over ${SOCKETS} sockets; ${PAIRS} healthy pairs\n\n`);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-fuzz-'));
  const server = await ServerProcess.start({
    DATABASE_URL: `sqlite:${join(folder, 'fuzz.sqlite')}`,
    NODE_OPTIONS: `--require ${REPORTER}`,
  });
  try {
    const faults = await fuzz(server, seed, frames);
    if (faults.length > 0) {
      process.stdout.write(`\n${faults.slice(0, 20).join('\n')}\nfailed; again with --seed ${seed}\n`);
      process.exitCode = 1;
    }
  } finally {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Prints the table; returns the faults. */
async function fuzz(server: ServerProcess, seed: number, frames: number): Promise<string[]> {
  const faults: string[] = [];
  let running = true;
  void server.exited.then(() => (running = false));
  const healthy = await HealthyPairs.start(server.socketUrl, PAIRS);
  const before = await residentBytes(server.pid);
  const startedAt = performance.now();
  const attack = new FuzzAttack(Number(new URL(server.url).port), seed, frames);
  const retained: number[] = [];
  for (let round = 1; round <= ROUNDS && running; round += 1) {
    await attack.run((frames * round) / ROUNDS, SOCKETS, () => !running);
    if (running) retained.push(await retainedBytes(server));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  healthy.stopChatting();
  const check = async (claim: () => boolean | Promise<boolean>, what: () => string) => {
    await eventually(() => !running || claim(), what).catch((error: unknown) => faults.push((error as Error).message));
  };
  await check(
    () => healthy.isSettled,
    () => `${healthy.receipts} of ${healthy.sent} have a receipt, ${healthy.received} came`,
  );
  let stats = { connections: NaN, messages: {} as Record<string, number> };
  await check(
    async () => (stats = await statsOf(server)).connections === healthy.count,
    () => `${healthy.count} connections are left; there are ${stats.connections}`,
  );
  const { accepted, confirmed, pending, inFlight, expired, purged, evicted, replaced } = stats.messages;
  const ends = [confirmed, pending, inFlight, expired, purged, evicted, replaced].reduce<number>(
    (sum, end) => sum + (end ?? NaN),
    0,
  );
  if (running && accepted !== ends) faults.push(`the books do not balance: ${JSON.stringify(stats.messages)}`);
  const after = await residentBytes(server.pid);
  faults.push(...healthy.faults);
  healthy.close();
  const died = !running;
  const exitCode = died ? (await server.exited).code : await server.stop();
  if (died || exitCode !== 0) faults.push(`the server ended with ${exitCode}, ${died ? 'un' : ''}asked`);
  if (server.stderr !== '') faults.push(`the server wrote to stderr: ${server.stderr.slice(0, 2_000)}`);
  if (attack.stuck > 0) faults.push(`${attack.stuck} connections were not ended by the server when their peer had`);
  const growth = retained.at(-1)! - retained[0]!;
  if (growth > GROWTH_BYTES) faults.push(`what the server holds grew by ${inMib(growth)} MiB after the first round`);
  const lost = healthy.sent - healthy.received;
  process.stdout.write(
    table([
      ['frames', attack.frames, `${attack.broken} broken ones, in the others the payload is`],
      [
        'connections',
        attack.connections,
        [...attack.ends]
          .toSorted(([, a], [, b]) => b - a)
          .map(([end, count]) => `${count} ${end}`)
          .slice(0, 8)
          .join(', '),
      ],
      ['stuck', attack.stuck],
      ['healthy sent', healthy.sent],
      ['healthy receipts', healthy.receipts, `the slowest after ${Math.round(healthy.worstReceiptMs)} ms`],
      ['healthy lost', lost],
      ['accepted', accepted ?? '-', accepted === ends ? 'balances' : 'does not balance'],
      ['MiB retained', inMib(retained.at(-1)!), `after the rounds: ${retained.map(inMib).join(', ')}`],
      ['MiB resident', inMib(after), `${inMib(before)} at the start; much of it is garbage that is not collected yet`],
      ['seconds', seconds.toFixed(1)],
      ['faults', faults.length],
    ]),
  );
  return faults;
}

async function statsOf(server: ServerProcess): Promise<{ connections: number; messages: Record<string, number> }> {
  const response = await fetch(`${server.url}/chat/stats`);
  return (await response.json()) as { connections: number; messages: Record<string, number> };
}

/** Returns the bytes in the heap of the server after a garbage collection. */
async function retainedBytes(server: ServerProcess): Promise<number> {
  const reports = () => [...server.stdout.matchAll(/^retained (\d+)$/gm)];
  const before = reports().length;
  process.kill(server.pid, 'SIGWINCH');
  await eventually(
    () => reports().length > before,
    () => `the server says what it holds; it wrote ${server.stdout.slice(-200)}`,
  );
  return Number(reports().at(-1)![1]);
}

function inMib(bytes: number): string {
  return Number.isNaN(bytes) ? '-' : (bytes / MIB).toFixed(1);
}

/** Returns the memory of a process in bytes; NaN where the system does not say. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}

function readArguments(): { seed: number; frames: number } {
  const values = parseArguments();
  const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32));
  for (const [name, value] of Object.entries({ seed, frames: values.frames })) {
    if (!/^\d{1,10}$/.test(value)) throw new UsageError(`--${name} is '${value}'; give a whole number\n\n${USAGE}`);
  }
  return { seed: Number(seed), frames: Number(values.frames) };
}

function parseArguments() {
  try {
    return parseArgs({ options: { seed: { type: 'string' }, frames: { type: 'string', default: '100000' } } }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message.trimEnd() : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
