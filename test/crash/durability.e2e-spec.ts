import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isStraceInstalled, Trace, TracedProcess } from '../support/crash-strace.js';
import { TestClient } from '../support/test-client.js';

const hasStrace = isStraceInstalled();
const DURABLE = ['written', 'synced', 'told stored'];
const BURST = 100;

/** Does what the server does for one message, but with the given setting: `node --eval … FILE SYNCHRONOUS ID`. */
const STORE_ONE = `
  import sqlite3 from 'sqlite3';
  const [file, synchronous, id] = process.argv.slice(1);
  const database = new sqlite3.Database(file);
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = ' + synchronous + '; CREATE TABLE message (id TEXT)',
    () => database.run('INSERT INTO message VALUES (?)', id, () => {
      process.stdout.write(JSON.stringify([{ id, status: 'stored' }]));
      database.close();
    }),
  );
`;

if (!hasStrace) {
  // On a developer's machine a missing strace is reported. In CI it is an error, because nobody would check this
  // promise.
  it('a receipt of a stored message is NOT TESTED, as there is no strace to see whether it waits for the disk', () => {
    if (process.env['CI']) throw new Error('strace is not installed; install it in CI');
    process.stdout.write('NOT TESTED: whether a receipt waits for the disk; install strace.\n');
  });
}

(hasStrace ? describe : describe.skip)('a receipt of a stored message, as strace sees it', () => {
  let folder: string;
  let running: TracedProcess | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-durability-'));
  });
  afterEach(async () => {
    await running?.kill();
    running = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  it('leaves after the write-ahead log with the message is synced, and a relayed message is never in it', async () => {
    const server = run(['dist/main.js'], {
      DATABASE_URL: `sqlite:${file()}`,
      PORT: '0',
      CHAT_FRAMES_PER_SECOND: 'none',
      CHAT_PERSIST_AFTER_MS: '2000', // Under strace the server is slow, and what is relayed is confirmed before that.
    });
    const [, url] = await server.until(/connect to (ws:\/\/[^?\s]+)\?user=NAME.*\n/);
    const alice = await TestClient.open(`${url}?user=alice`, ['chat.v1.json']);
    const send = (to: string, id: string) => alice.sendJson('send', { to, content: 'hello', id });
    const receipted = async (count: number) => {
      for (let seen = 0; seen < count;) seen += (await alice.until('receipts')).data.length;
    };

    const oneByOne = ids('one-by-one', 5);
    for (const id of oneByOne) {
      send('nobody', id);
      await receipted(1);
    }
    const burst = ids('burst', BURST);
    for (const id of burst) send('nobody', id);
    await receipted(BURST);

    const bob = await TestClient.open(`${url}?user=bob`, ['chat.v1.json']);
    await bob.until('caught-up');
    const waiting = ids('waiting', 1);
    send('bob', waiting[0]!);
    await receipted(1);
    bob.sendJson('ack', { seq: (await bob.until('message')).data.seq });
    const relayed = ids('relayed', 1);
    send('bob', relayed[0]!);
    bob.sendJson('ack', { seq: (await bob.until('message')).data.seq });
    await receipted(1);
    await Promise.all([alice.close(), bob.close()]);

    const trace = await server.kill();
    for (const id of [...oneByOne, ...burst, ...waiting]) expect([id, trace.stepsOf(id)]).toEqual([id, DURABLE]);
    expect(trace.stepsOf(relayed[0]!)).toEqual(['told delivered']);
  });

  it.each([
    ['FULL', DURABLE],
    // SQLite syncs the log when the file is closed, at the latest.
    ['NORMAL', ['written', 'told stored', 'synced']],
    ['OFF', ['written', 'told stored']],
  ])('negative control: a store with synchronous = %s is seen as %j', async (synchronous, steps) => {
    const id = `control-${synchronous}`;
    const trace = await run(['--input-type=module', '--eval', STORE_ONE, file(), synchronous, id]).end();
    expect(trace.stepsOf(id)).toEqual(steps);
  });

  it('negative control: a sync that is under way, of another file or before the message, does not count', () => {
    const log = '12</tmp/x.sqlite-wal>';
    const written = `7  pwrite64(${log}, "...m-1...", 4096, 56) = 4096`;
    const told = '5  write(9<socket:[1]>, "[{\\"id\\":\\"m-1\\",\\"status\\":\\"stored\\"}]", 31) = 31';
    const begun = `7  fdatasync(${log} <unfinished ...>`;
    const ended = '7  <... fdatasync resumed>) = 0';
    const seen = (...lines: string[]) => new Trace(lines.join('\n')).stepsOf('m-1');
    expect(seen(written, begun, ended, told)).toEqual(DURABLE);
    expect(seen(written, begun, told, ended)).toEqual(['written', 'told stored', 'synced']);
    expect(seen(begun, ended, written, told)).toEqual(['written', 'told stored']);
    expect(seen(written, '7  fsync(13</tmp/x.sqlite>) = 0', told)).toEqual(['written', 'told stored']);
    expect(seen(told)).toEqual(['told stored']);
  });

  function file(): string {
    return join(folder, 'holdfast.sqlite');
  }

  function run(args: string[], env: NodeJS.ProcessEnv = {}): TracedProcess {
    return (running = new TracedProcess(join(folder, 'trace'), args, env));
  }

  // All have the same length, so none is a part of another.
  function ids(name: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${name}-${String(index).padStart(4, '0')}`);
  }
});
