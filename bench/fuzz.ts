import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { eventually } from '../test/support/deadline.js';
import { ServerProcess } from '../test/support/server-process.js';
import { FuzzAttack } from './fuzz-attack.js';
import { HealthyPairs } from './fuzz-healthy.js';
import { table } from './table.js';

const SOCKETS = 50;
const PAIRS = 5;
const MIB = 1024 * 1024;
/** So much more memory than at the start is worth a word, in per cent. */
const GROWTH_PERCENT = 20;

const USAGE = `Writes mutated frames and handshakes to a built server of its own, while healthy clients chat and must lose nothing.

  npm run fuzz -- [--seed N] [--frames 100000]

  --seed    the same seed writes the same bytes; a new one, which is printed, unless given
`;

/** A mistake in the command line; its message is for the user. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { seed, frames } = readArguments();
  process.stdout.write(`seed ${seed}, ${frames} frames over ${SOCKETS} sockets; ${PAIRS} healthy pairs\n\n`);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-fuzz-'));
  const server = await ServerProcess.start({ DATABASE_URL: `sqlite:${join(folder, 'fuzz.sqlite')}` });
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

/** Prints the table; answers what went wrong. */
async function fuzz(server: ServerProcess, seed: number, frames: number): Promise<string[]> {
  const faults: string[] = [];
  let running = true;
  void server.exited.then(() => (running = false));
  const healthy = await HealthyPairs.start(server.socketUrl, PAIRS);
  const before = await residentBytes(server.pid);
  const startedAt = performance.now();
  const attack = new FuzzAttack(Number(new URL(server.url).port), seed, frames);
  await attack.run(SOCKETS, () => !running);
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
  const { accepted, confirmed, pending, inFlight, expired, purged, evicted } = stats.messages;
  const ends = [confirmed, pending, inFlight, expired, purged, evicted].reduce<number>(
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
  const growth = Math.round((after / before - 1) * 100);
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
      [
        'memory in MiB',
        Number.isNaN(after) ? '-' : Math.round(after / MIB),
        `${Math.round(before / MIB)} at the start${growth > GROWTH_PERCENT ? `: ${growth} % more` : ''}`,
      ],
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

/** How much memory a process holds; not a number where the system does not say. */
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
