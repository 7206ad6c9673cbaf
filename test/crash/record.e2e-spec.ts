import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../support/crash-random.js';
import { SEED } from '../support/seed.js';
import { CrashRounds, randomMoment } from '../support/crash-rounds.js';
import { queryFile, UNCAPPED } from '../support/crash-server.js';
import { ServerProcess } from '../support/server-process.js';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 5);
/** The timeout of one round, in milliseconds. It is many times what a round takes. */
const ROUND_MS = 15_000;
const KILLED = { code: null, signal: 'SIGKILL' };

describe('a record whose server is killed', () => {
  let folder: string;
  let server: ServerProcess | undefined;
  let rounds: CrashRounds | undefined;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-record-'))));
  afterEach(async () => {
    rounds?.abandon();
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it(
    'has every message with a receipt, once, and none that was never sent',
    async () => {
      rounds = new CrashRounds(SEED);
      const moments = new Random(SEED);
      for (let round = 1; round <= ROUNDS; round += 1) {
        server = await start();
        expect(await rounds.play(server, randomMoment(moments))).toEqual(KILLED);
        await check(rounds);
      }
      server = await start();
      await rounds.settle(server);
      expect(await server.kill()).toEqual(KILLED);
      const recorded = await check(rounds);
      process.stdout.write(`TEST_SEED=${SEED}: ${recorded} recorded, ${rounds.history.receipts.length} receipts\n`);
      expect(rounds.history.check()).toMatchObject({ lost: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] });
    },
    60_000 + ROUNDS * ROUND_MS,
  );

  /** Returns how many are in the record. */
  async function check({ history }: CrashRounds): Promise<number> {
    const rows = await read<{ name: string }>(`SELECT sender || ' ' || id AS name FROM holdfast_record`);
    const names = new Set(rows.map(({ name }) => name));
    const attempts = new Set(history.attempts);
    expect(history.receipts.filter((name) => !names.has(name))).toEqual([]);
    expect([...names].filter((name) => !attempts.has(name))).toEqual([]);
    expect(names.size).toBe(rows.length);
    // What waits in the mailbox is in the record, and the numbers of each user have no gap and come once.
    expect(
      await read(`SELECT id FROM holdfast_offline_message m WHERE NOT EXISTS (SELECT 1 FROM holdfast_record r
      WHERE r.sender = m.sender AND r.id = m.id AND r.recipient = m.recipient)`),
    ).toEqual([]);
    expect(
      await read(`SELECT name FROM holdfast_record_user u WHERE "lastNumber" < (SELECT MAX(number) FROM (
        SELECT MAX("recipientNumber") AS number FROM holdfast_record WHERE recipient = u.name
        UNION ALL SELECT MAX("senderNumber") FROM holdfast_record WHERE sender = u.name))`),
    ).toEqual([]);
    return rows.length;
  }

  function read<Row>(sql: string): Promise<Row[]> {
    return queryFile<Row>(join(folder, 'holdfast.sqlite'), sql);
  }

  function start(): Promise<ServerProcess> {
    return ServerProcess.start({
      DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`,
      CHAT_ACK_WINDOW: '32',
      CHAT_RECORD_MS: '90d',
      CHAT_RECORD_CONVERSATIONS_PER_DAY: 'none',
      ...UNCAPPED,
    });
  }
});
