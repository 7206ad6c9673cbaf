import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Protocol } from './client.js';
import { parseChannelLog, withSleepers } from './channel-log.js';
import { replay, type ReplayReport } from './player.js';
import { table, type Row } from '../table.js';

/** Silent lines after which a nick is away, in the second run. */
const SLEEP_AFTER = 5;

const USAGE = `Plays the log of an IRC channel through a running server, and checks that every direct message came once, in order.

  npm run replay -- PATH [--url ws://127.0.0.1:3000/chat] [--protocol text|json] [--sleep-after LINES]

  --protocol     text (default) compares the bytes; json knows every message by its id, and checks the receipts too
  --sleep-after  whoever has not spoken for so many lines is disconnected until they speak, so that many messages wait;
                 unless given, the log is played twice: as it stands, and with ${SLEEP_AFTER}

The server has to be idle, with an empty store. CHAT_ADMIN_TOKEN is its administrator's token, if it has one.
`;

/** A mistake in the command line or the file; its message is for the user. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { path, url, protocol, sleepAfter } = readArguments();
  const log = parseChannelLog(await readLog(path));
  if (log.events.length === 0)
    throw new UsageError(`${path} is not the log of an IRC channel: no line of it can be played`);
  // As the log is, hardly anybody is addressed who is not there. With sleepers most messages have to wait.
  for (const lines of sleepAfter === null ? [null, SLEEP_AFTER] : [sleepAfter]) {
    const report = await replay(lines === null ? log : withSleepers(log, lines), {
      url,
      protocol,
      adminToken: process.env['CHAT_ADMIN_TOKEN'] || undefined,
    });
    const how = lines === null ? 'as it stands' : `everybody away after ${lines} silent lines`;
    process.stdout.write(`${path} through ${url}, ${protocol} protocol, ${how}\n\n${summary(report, protocol)}\n`);
    if (report.faults.length === 0) continue;
    process.stdout.write(`${listed(report.faults)}\n`);
    process.exitCode = 1;
  }
}

function readArguments() {
  const { values, positionals } = parseArguments();
  const [path] = positionals;
  const { protocol, url } = values;
  if (path === undefined || positionals.length > 1) throw new UsageError(USAGE);
  if (protocol !== 'text' && protocol !== 'json')
    throw new UsageError(`--protocol is '${protocol}'; give text or json`);
  if (!URL.canParse(url) || !/^wss?:/.test(url))
    throw new UsageError(`--url is '${url}'; give the address of a socket, such as ws://127.0.0.1:3000/chat`);
  const given = values['sleep-after'];
  if (given !== undefined && !/^\d+$/.test(given))
    throw new UsageError(`--sleep-after is '${given}'; give a number of lines`);
  return { path, url, protocol, sleepAfter: given === undefined ? null : Number(given) } as const;
}

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        url: { type: 'string', default: 'ws://127.0.0.1:3000/chat' },
        protocol: { type: 'string', default: 'text' },
        'sleep-after': { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

async function readLog(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw new UsageError(`${path} can't be read as UTF-8 text: ${(error as Error).message}`);
  }
}

function summary(report: ReplayReport, protocol: Protocol): string {
  const rows: Row[] = [
    ['users', report.users],
    ['connections', report.connections],
    ['direct', report.direct],
    ['broadcast', report.broadcast, `${report.broadcastArrivals} frames with one came`],
    ['live', report.live],
    ['delayed', report.delayed, 'had to wait for the recipient'],
    ['lost', report.lost],
    ['duplicated', report.duplicated],
    ['repeated', report.repeated, 'the reader had left before confirming'],
    ['reordered', report.reordered],
    ['refused', report.refused],
    ['unexpected', report.unexpected],
    protocol === 'json'
      ? ['receipts', report.receipts]
      : ['ambiguous', report.ambiguous, 'may have been a broadcast of the same bytes; --protocol json tells'],
    ['ignored lines', report.ignoredLines],
    ['seconds', report.seconds.toFixed(1)],
  ];
  return table(rows);
}

const SHOWN_FAULTS = 20;

function listed(faults: readonly string[]): string {
  const more = faults.length - SHOWN_FAULTS;
  return [...faults.slice(0, SHOWN_FAULTS), ...(more > 0 ? [`and ${more} more`] : [])]
    .map((line) => `${line}\n`)
    .join('');
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message.trimEnd() : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
