import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ServerProcess } from '../../test/support/server-process.js';
import { countRepeated, countStored, LEAST_SECONDS, type Share, type Visits } from './pairs.js';

/** Messages that a sender writes per second on average: a person, and a busier one. */
const PACES = [1, 10];
const BURSTS = [1, 3, 5];
const LEAVINGS: readonly Visits['leaving'][] = ['closes', 'breaks off'];
const SENDERS: readonly Visits['sender'][] = ['text', 'json'];
const ROUND_TRIPS = { stored: '0,50,150,300', repeated: '0,10,50' };

const USAGE = `Measures how text clients behind a slow link confirm, on a built server of its own.

  npm run confirmations -- [stored|repeated] [--round-trips MS,MS…] [--persist-after MS] [--leave-after MS] [--seconds S] [--json]

  stored          the share of messages that the server stores because they are not confirmed in time
  repeated        the share of messages that come again to clients which leave soon after they got them
  --round-trips   of the link; ${ROUND_TRIPS.stored} for stored and ${ROUND_TRIPS.repeated} for repeated, unless given
  --persist-after the server's persistAfterMs, 250 unless given
  --leave-after   the time from the last message until the client leaves, 20 unless given; with 0 it confirms nothing
  --seconds       the time for each figure of stored, and for each length of a burst of repeated, 6 unless given
  --json          the figures as one JSON object
`;

/** A mistake in the command line. Its message is for the user. */
class UsageError extends Error {}

/** What was measured in one way, for each round trip. */
interface Line {
  readonly name: string;
  readonly shares: readonly Share[];
}

async function main(): Promise<void> {
  const { parts, roundTrips, persistAfterMs, leaveAfterMs, seconds, json } = readArguments();
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-confirmations-'));
  const server = await ServerProcess.start({
    DATABASE_URL: `sqlite:${join(folder, 'confirmations.sqlite')}`,
    CHAT_PERSIST_AFTER_MS: String(persistAfterMs),
  });
  try {
    const results: Record<string, readonly Line[]> = {};
    if (parts.includes('stored')) {
      results['stored'] = await measureStored(server, roundTrips.stored, seconds);
      if (!json) print(`messages that were stored, with a persistAfterMs of ${persistAfterMs}`, results['stored']);
    }
    if (parts.includes('repeated')) {
      results['repeated'] = await measureRepeated(server, roundTrips.repeated, leaveAfterMs, seconds);
      if (!json) print(`messages that came again to clients that left after ${leaveAfterMs} ms`, results['repeated']);
    }
    if (json) process.stdout.write(`${JSON.stringify({ persistAfterMs, leaveAfterMs, ...results })}\n`);
  } finally {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One figure after the other, as the server counts all of its messages together. */
async function measureStored(server: ServerProcess, roundTrips: readonly number[], seconds: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const perSecond of PACES) {
    const shares: Share[] = [];
    for (const roundTripMs of roundTrips) shares.push(await countStored(server, perSecond, roundTripMs, seconds));
    lines.push({ name: `${perSecond} a second`, shares });
  }
  return lines;
}

async function measureRepeated(
  server: ServerProcess,
  roundTrips: readonly number[],
  leaveAfterMs: number,
  seconds: number,
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const burst of BURSTS) {
    const together = LEAVINGS.flatMap((leaving) => SENDERS.map((sender) => ({ burst, leaving, sender, leaveAfterMs })));
    const measured = together.map(async (visits) => ({
      name: `${visits.sender} sender, ${burst === 1 ? 'alone' : `${burst} in a burst`}, ${visits.leaving}`,
      shares: await Promise.all(roundTrips.map((ms) => countRepeated(server, visits, ms, seconds))),
    }));
    lines.push(...(await Promise.all(measured)));
  }
  return lines;
}

function print(title: string, lines: readonly Line[]): void {
  const width = Math.max(...lines.map(({ name }) => name.length));
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)}${cells.map((cell) => cell.padStart(18)).join('')}\n`;
  const head = lines[0]!.shares.map(({ roundTripMs }) => `${roundTripMs} ms`);
  const body = lines.map(({ name, shares }) => row(name, shares.map(shown)));
  process.stdout.write(`${title}\n\n${row('round trip', head)}${body.join('')}\n`);
}

function shown({ messages, counted }: Share): string {
  return `${((100 * counted) / messages).toFixed(1)} % of ${messages}`;
}

function readArguments() {
  const { values, positionals } = parseArguments();
  const parts = positionals.length > 0 ? positionals : Object.keys(ROUND_TRIPS);
  const unknown = parts.find((part) => !(part in ROUND_TRIPS));
  if (unknown !== undefined) throw new UsageError(`'${unknown}' is not measured\n\n${USAGE}`);
  const given = values['round-trips'];
  const seconds = wholeNumber('seconds', values.seconds);
  if (seconds < LEAST_SECONDS) throw new UsageError(`--seconds is '${seconds}'; give ${LEAST_SECONDS} or more`);
  return {
    parts,
    roundTrips: {
      stored: (given ?? ROUND_TRIPS.stored).split(',').map((ms) => wholeNumber('round-trips', ms)),
      repeated: (given ?? ROUND_TRIPS.repeated).split(',').map((ms) => wholeNumber('round-trips', ms)),
    },
    persistAfterMs: wholeNumber('persist-after', values['persist-after']),
    leaveAfterMs: wholeNumber('leave-after', values['leave-after']),
    seconds,
    json: values.json,
  };
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,5}$/.test(value)) throw new UsageError(`--${name} is '${value}'; give whole numbers\n\n${USAGE}`);
  return Number(value);
}

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        'round-trips': { type: 'string' },
        'persist-after': { type: 'string', default: '250' },
        'leave-after': { type: 'string', default: '20' },
        seconds: { type: 'string', default: '6' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message.trimEnd() : String(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1); // Other measurements may be under way.
});
