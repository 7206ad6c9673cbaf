import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../support/crash-random.js';
import { SEED } from '../support/seed.js';
import { CrashRounds, randomMoment } from '../support/crash-rounds.js';
import { balancedTotals, queryFile, UNCAPPED } from '../support/crash-server.js';
import { tableOf } from '../support/history.js';
import { ServerProcess } from '../support/server-process.js';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 5);
/** The timeout of one round, in milliseconds. It is many times what a round takes. */
const ROUND_MS = 15_000;
const TABLE = 'holdfast_offline_message';
const NEWER_HALF = `WHERE position > (SELECT avg(position) FROM ${TABLE})`;
/** Rounds that end with SIGTERM. */
const TERMINATIONS = 3;
const FAULTLESS = { refused: 0, lost: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] };
const KILLED = { code: null, signal: 'SIGKILL' };

describe('an end under load', () => {
  beforeAll(() => print(`TEST_SEED=${SEED} CRASH_ROUNDS=${ROUNDS} repeats the moments of these kills.`));

  let folder: string;
  let file: string;
  let server: ServerProcess | undefined;
  let rounds: CrashRounds | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'));
    file = join(folder, 'holdfast.sqlite');
  });
  afterEach(async () => {
    rounds?.abandon();
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it(
    'loses nothing that has a receipt, makes nothing up, and sends again only what was sent before, with kill -9',
    async () => {
      rounds = new CrashRounds(SEED);
      const moments = new Random(SEED);
      let inDoubt = 0;
      for (let round = 1; round <= ROUNDS; round += 1) {
        server = await start();
        const { accepted, pending, recovered, inFlight } = await balancedTotals(server);
        expect({ accepted, recovered, inFlight }).toEqual({ accepted: pending, recovered: pending, inFlight: 0 });
        expect(pending).toBeGreaterThanOrEqual(rounds.history.owed);
        expect(await rounds.play(server, randomMoment(moments))).toEqual(KILLED);
        inDoubt += rounds.history.unanswered;
      }
      server = await start();
      await rounds.settle(server);
      expect(await server.kill()).toEqual(KILLED);
      const verdict = rounds.history.check();
      print(`kill -9, ${ROUNDS} times\n${tableOf(verdict)}`);
      expect(verdict).toMatchObject(FAULTLESS);
      expect(await queryFile(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      expect(await queryFile(file, `SELECT count(*) AS left FROM ${TABLE}`)).toEqual([{ left: 0 }]);
      // Otherwise the kills came when nothing was under way, and the test proves nothing.
      expect(inDoubt).toBeGreaterThan(0);
      expect(verdict.acknowledged).toBe(verdict.attempts);
      expect(verdict.delivered).toBeGreaterThan(0);
      expect(verdict.delivered).toBeLessThan(verdict.acknowledged);
      expect(verdict.recovered).toBeGreaterThan(0);
      expect(verdict.duplicated).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * ROUND_MS,
  );

  it('loses nothing either when the server is told to end under the same load', async () => {
    rounds = new CrashRounds(SEED);
    const moments = new Random(SEED);
    for (let round = 1; round <= TERMINATIONS; round += 1) {
      const running = (server = await start());
      expect((await balancedTotals(running)).pending).toBeGreaterThanOrEqual(rounds.history.owed);
      const end = () => void running.stop('SIGTERM');
      expect(await rounds.play(running, randomMoment(moments), end)).toEqual({ code: 0, signal: null });
    }
    server = await start();
    await rounds.settle(server);
    const verdict = rounds.history.check();
    print(`SIGTERM, ${TERMINATIONS} times\n${tableOf(verdict)}`);
    expect(verdict).toMatchObject(FAULTLESS);
    expect(verdict.recovered).toBeGreaterThan(0);
  });

  it.each<['lost' | 'unexpected' | 'reordered', string, () => Promise<unknown>]>([
    ['lost', 'has no file any more', removeFile],
    ['lost', 'has forgotten the newer half', () => alter('DELETE FROM', NEWER_HALF)],
    ['unexpected', 'has other words', () => alter('UPDATE', `SET content = content || '!' ${NEWER_HALF}`)],
    ['reordered', 'has turned the order round', () => alter('UPDATE', 'SET position = 1000000 - position')],
  ])('negative control: %s messages are found when the store %s after the kill', async (counter, damage, harm) => {
    rounds = new CrashRounds(1);
    server = await start();
    expect(await rounds.play(server, { happening: 'receipt', count: 1_000 })).toEqual(KILLED);
    await harm();
    server = await start();
    await rounds.settle(server);
    const verdict = rounds.history.check();
    print(`negative control: the store ${damage}\n${tableOf(verdict)}`);
    expect(verdict[counter]).toBeGreaterThan(0);
    expect({ ...verdict, [counter]: 0 }).toMatchObject({ lost: 0, unexpected: 0, reordered: 0, premature: 0 });
  });

  async function removeFile(): Promise<void> {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  }

  function alter(statement: string, rest: string): Promise<unknown> {
    return queryFile(file, `${statement} ${TABLE} ${rest}`);
  }

  async function start(): Promise<ServerProcess> {
    // A small window fills often, so that messages are live, waiting and stored in turn.
    return ServerProcess.start({ DATABASE_URL: `sqlite:${file}`, CHAT_ACK_WINDOW: '32', ...UNCAPPED });
  }
});

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
