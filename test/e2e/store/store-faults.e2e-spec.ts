import { getDataSourceToken } from '@nestjs/typeorm';
import { jest } from '@jest/globals';
import { statSync } from 'node:fs';
import { mkdtemp, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { LockHolder } from '../../support/lock-holder.js';
import { interceptStatements } from '../../support/statements.js';
import type { TestClient } from '../../support/test-client.js';

const MIB = 1024 * 1024;
/** Far fewer messages than two clients exchange in the time of a lock; were the process held up, it would be one. */
const FEW = 10;

let chat: ChatApp;
let holder: LockHolder | null = null;
afterEach(async () => {
  jest.restoreAllMocks();
  await holder?.release();
  holder = null;
  await chat.dispose();
});

const start = async (options: Partial<ChatOptions> = {}) => (chat = await ChatApp.start(options));
const store = () => chat.app.get(OfflineMessageService);
const database = () => chat.app.get<DataSource>(getDataSourceToken('holdfast'));
const untilHealthy = (healthy: boolean) =>
  eventually(
    () => store().isHealthy === healthy,
    () => `the store is ${healthy ? 'healthy' : 'not healthy'}`,
  );

/** One sender of the JSON protocol, which counts what became of each message. */
class Sender {
  readonly receipted = new Set<string>();
  readonly refused = new Set<string>();
  private sent = 0;

  private constructor(
    private readonly name: string,
    readonly client: TestClient,
  ) {
    client.listen((frame) => this.onFrame(JSON.parse(frame)));
  }

  static async connect(name: string): Promise<Sender> {
    return new Sender(name, await chat.connectJson(name));
  }

  send(to: string, content = 'x'): string {
    const id = `${this.name}-${(this.sent += 1)}`;
    this.client.sendJson('send', { to, content, id });
    return id;
  }

  /** Sends one message; returns whether its answer is a receipt. */
  async ask(to: string, content?: string): Promise<boolean> {
    const id = this.send(to, content);
    await eventually(
      () => this.receipted.has(id) || this.refused.has(id),
      () => `an answer for ${id}`,
    );
    return this.receipted.has(id);
  }

  async untilAnswered(): Promise<void> {
    await eventually(
      () => this.receipted.size + this.refused.size === this.sent,
      () => `${this.sent} answers; there are ${this.receipted.size} receipts and ${this.refused.size} refusals`,
    );
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  private onFrame({ event, data }: { event: string; data: any }): void {
    if (event === 'receipts') for (const { id } of data) this.receipted.add(id as string);
    else if (event === 'exception') {
      if (data.code !== 'STORE_UNAVAILABLE' || !data.temporary) throw new Error(`refused with ${data.code}`);
      this.refused.add(data.id as string);
    }
  }
}

/** Reads everything that waits for a user, after a restart, and compares it with what has a receipt. */
async function expectNothingMissing(user: string, sender: Sender): Promise<void> {
  const { receipted } = sender;
  chat = await chat.restart();
  const kept = new Set<string>();
  for (let cursor = ''; ;) {
    const { body } = await chat.rest('GET', `/chat/pending/${user}?limit=1000${cursor}`);
    for (const { id } of body.items as { id: string }[]) kept.add(id);
    if (body.nextCursor === null) break;
    cursor = `&cursor=${body.nextCursor}`;
  }
  expect([...receipted].filter((id) => id.includes('-') && !kept.has(id))).toEqual([]);
  const [{ integrity_check: verdict }] = (await database().query('PRAGMA integrity_check')) as [
    { integrity_check: string },
  ];
  expect(verdict).toBe('ok');
}

/** Live messages go on, whatever the store does. */
async function expectLive(recipient: TestClient, sender: Sender, name = 'bob'): Promise<void> {
  const id = sender.send(name, 'live');
  const { data } = await recipient.until('message');
  expect(data).toMatchObject({ id, content: 'live' });
  recipient.sendJson('ack', { seq: data.seq });
  await eventually(
    () => sender.receipted.delete(id),
    () => `a receipt for ${id}`,
  );
}

/** Has others exchange live messages until this has its answer. Returns the answer, and how many messages that were. */
async function whileOthersTalk<Answer>(asked: Promise<Answer>): Promise<[answer: Answer, talked: number]> {
  const [dave, erin] = [await Sender.connect('dave'), await chat.connectJson('erin')];
  let isAnswered = false;
  let talked = 0;
  const answered = asked.finally(() => (isAnswered = true));
  for (; !isAnswered; talked += 1) await expectLive(erin, dave, 'erin');
  return [await answered, talked];
}

describe('a full disk', () => {
  it('is told to senders, stops nothing live, lets deletes go on, and heals by itself when there is room', async () => {
    await start({ persistAfterMs: 20 });
    const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
    const dave = await chat.connectJson('dave');
    expect(await alice.ask('carol')).toBe(true);
    const eve = await chat.connectJson('eve');
    alice.send('eve', 'confirmed while the disk is full');
    await chat.untilPending('eve', 1);
    await fillUp();
    while (await alice.ask('carol', '.'.repeat(60_000)));
    expect(store().isHealthy).toBe(false);
    await expectLive(bob, alice);
    // Relayed messages that are not confirmed are kept, and are stored when there is room.
    const kept = alice.send('dave', '.'.repeat(60_000));
    await dave.until('message');
    expect((await chat.rest('GET', '/chat/pending')).status).toBe(200);
    const { seq } = (await eve.until('message')).data;
    eve.sendJson('ack', { seq });
    await chat.untilPending('eve', 0);
    expect(store().isHealthy).toBe(false);

    await database().query('PRAGMA max_page_count = 1000000');
    await untilHealthy(true); // Nobody sends: the server finds out by itself.
    await chat.untilPending('dave', 1);
    await eventually(() => alice.receipted.delete(kept));
    expect(await alice.ask('carol')).toBe(true);
    for (const id of alice.receipted) if (id === 'alice-2') alice.receipted.delete(id); // eve has it.
    await expectNothingMissing('carol', alice);
  });

  it('is no less full when everybody has gone, and ready again without a sender', async () => {
    await start();
    const alice = await Sender.connect('alice');
    await fillUp();
    const probe = jest.spyOn(OfflineMessageTable.prototype, 'tryWrite');
    while (await alice.ask('carol', '.'.repeat(60_000)));
    await alice.client.close();
    await eventually(() => probe.mock.calls.length >= 3);
    expect(store().isHealthy).toBe(false);
    await database().query('PRAGMA max_page_count = 1000000');
    await untilHealthy(true);
    await expectNothingMissing('carol', alice);
  });

  async function fillUp(): Promise<void> {
    const [{ page_count: pages }] = (await database().query('PRAGMA page_count')) as [{ page_count: number }];
    await database().query(`PRAGMA max_page_count = ${pages}`);
  }
});

describe('a file that can only be read', () => {
  it('refuses senders at once, goes on live and reading, and heals by itself', async () => {
    await start();
    const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
    expect(await alice.ask('carol')).toBe(true);
    await database().query('PRAGMA query_only = ON');
    expect(await alice.ask('carol')).toBe(false);
    expect(store().isHealthy).toBe(false);
    await expectLive(bob, alice);
    expect((await chat.rest('GET', '/chat/pending/carol')).body.total).toBe(1);
    expect((await chat.rest('DELETE', '/chat/pending/carol')).status).toBe(503);
    await database().query('PRAGMA query_only = OFF');
    await untilHealthy(true);
    await chat.untilPending('carol', 0); // The messages that the purge had found are gone now.
    alice.receipted.clear();
    expect(await alice.ask('carol')).toBe(true);
    await expectNothingMissing('carol', alice);
  });
});

describe('a purge of more than one batch while the store fails', () => {
  it.each(['one after the other', 'at the same time'])('is answered, and so is another: %s', async (how) => {
    await start({ maxPendingPerUser: null, maxPendingPerSender: null });
    const alice = await Sender.connect('alice');
    for (let n = 0; n < 1_200; n += 1) alice.send('carol');
    await alice.untilAnswered();
    await database().query('PRAGMA query_only = ON');
    const purge = () => chat.rest('DELETE', '/chat/pending/carol').then(({ status }) => status);
    const answers: number[] = how === 'at the same time' ? await Promise.all([purge(), purge(), purge()]) : [];
    if (answers.length === 0) for (let n = 0; n < 3; n += 1) answers.push(await purge());
    expect(answers).toEqual([503, 503, 503]);
    await database().query('PRAGMA query_only = OFF');
    await untilHealthy(true);
    expect((await chat.rest('DELETE', '/chat/pending/carol')).status).toBe(200);
    await chat.untilTotals({ purged: 1_200, pending: 0 });
  });
});

describe('a file that another process has locked', () => {
  it.each(['BEGIN IMMEDIATE', 'BEGIN EXCLUSIVE'])(
    '%s: everybody is answered, and nobody else is held up',
    async (begin) => {
      await start({ persistAfterMs: 20 });
      const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
      for (let n = 0; n < 5; n += 1) alice.send('carol');
      await alice.untilAnswered();
      holder = await LockHolder.start(chat.databaseFile, begin);
      // Each waits for the lock: the first two seconds, the others one. SQLite does that on a thread of its own.
      const [isStored, talked] = await whileOthersTalk(alice.ask('carol'));
      expect(isStored).toBe(false);
      expect(talked).toBeGreaterThan(FEW);
      expect(store().isHealthy).toBe(false);
      for (let round = 0; round < 6; round += 1) {
        for (let n = 0; n < 200; n += 1) alice.send('carol');
        expect(await alice.ask('carol')).toBe(false);
      }
      await alice.untilAnswered();
      await expectLive(bob, alice);
      await expectReadsGoOn();
      expect(store().queueDepth.inserts).toBe(0);

      await holder.release();
      holder = null;
      await untilHealthy(true);
      expect(await alice.ask('carol')).toBe(true);
      await expectNothingMissing('carol', alice);
    },
  );

  it('for a moment is waited for, and nobody is refused', async () => {
    await start();
    const alice = await Sender.connect('alice');
    holder = await LockHolder.start(chat.databaseFile, 'BEGIN IMMEDIATE');
    for (let n = 0; n < 50; n += 1) alice.send('carol');
    await eventually(() => store().queueDepth.inserts > 0);
    // Reads are served between two tries, so this one returns after the lock was met.
    expect((await chat.rest('GET', '/chat/users/carol')).body.pending).toBe(0);
    await holder.release();
    holder = null;
    await alice.untilAnswered();
    expect(alice.refused.size).toBe(0);
    await expectNothingMissing('carol', alice);
  });

  it('holds up nobody else, though better-sqlite3 works on the event loop', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-'));
    chat = await ChatApp.start({}, folder, `better-sqlite3:${join(folder, 'holdfast.sqlite')}`);
    const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
    // SQLite would hold the event loop while it waits, so it must not wait at all: the store tries again by itself.
    expect(await database().query('PRAGMA busy_timeout')).toEqual([{ timeout: 0 }]);
    holder = await LockHolder.start(chat.databaseFile, 'BEGIN IMMEDIATE');
    const askedAt = performance.now();
    const [isStored, talked] = await whileOthersTalk(alice.ask('carol'));
    expect(isStored).toBe(false);
    expect(performance.now() - askedAt).toBeGreaterThan(1_000); // A backup holds the lock for moments. Nobody is refused.
    expect(talked).toBeGreaterThan(FEW);
    await expectLive(bob, alice);
    await holder.release();
    holder = null;
    await untilHealthy(true);
    expect(await alice.ask('carol')).toBe(true);
    await expectNothingMissing('carol', alice);
  });

  async function expectReadsGoOn(): Promise<void> {
    const carol = await chat.connectJson('carol'); // Her backlog comes, though it can't be deleted yet.
    for (let n = 1; n <= 5; n += 1) expect((await carol.until('message')).data.id).toBe(`alice-${n}`);
    await carol.drop();
    await chat.untilOffline('carol');
    expect((await chat.rest('GET', '/chat/pending/carol')).body.total).toBe(5);
    expect((await chat.rest('GET', '/chat/users/carol')).body.pending).toBe(5);
    expect((await chat.rest('DELETE', '/chat/pending/nobody')).body).toEqual({ purged: 0 });
    expect((await chat.rest('POST', '/chat/messages', { from: 'eve', to: 'carol', content: 'x' })).status).toBe(503);
  }
});

describe('a reader in another process that stays in its transaction', () => {
  it('stops no sender; the log grows, and is cut when the reader has gone', async () => {
    await start({ maxPendingPerUser: null, maxPendingBytesPerUser: null, maxPendingPerSender: null });
    const alice = await Sender.connect('alice');
    await alice.ask('carol');
    holder = await LockHolder.start(chat.databaseFile, 'BEGIN', 'SELECT * FROM holdfast_offline_message');
    for (let n = 0; n < 400; n += 1) alice.send('carol', '.'.repeat(60_000));
    await alice.untilAnswered();
    expect(alice.refused.size).toBe(0);
    const grown = logSize();
    expect(grown).toBeGreaterThan(20 * MIB);
    await holder.release();
    holder = null;
    for (let n = 0; n < 3; n += 1) await alice.ask('carol');
    expect(logSize()).toBeLessThanOrEqual(16 * MIB);
    await expectNothingMissing('carol', alice);
  });

  const logSize = () => statSync(`${chat.databaseFile}-wal`).size;
});

describe('an I/O error', () => {
  const IOERR = new Error('SQLITE_IOERR: disk I/O error');

  it('at a commit: the handle is not trusted any more, and is opened anew before the next try', async () => {
    await start({ persistAfterMs: 20 });
    const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
    expect(await alice.ask('carol')).toBe(true);
    const before = handle();
    failNext(/INSERT INTO/);
    expect(await alice.ask('carol')).toBe(false);
    await expectLive(bob, alice);
    await untilHealthy(true);
    expect(handle()).not.toBe(before);
    for (const [name, value] of Object.entries({ synchronous: 2, journal_mode: 'wal', secure_delete: 1 })) {
      expect(await database().query(`PRAGMA ${name}`)).toEqual([{ [name]: value }]);
    }
    expect(await alice.ask('carol')).toBe(true);
    await expectNothingMissing('carol', alice);
  });

  it('after which the commit is in the file all the same: what was refused is taken out again', async () => {
    await start();
    const alice = await Sender.connect('alice');
    let inFile = 0;
    failNext(/INSERT INTO/, 'after', IOERR, async () => void (inFile = await rows()));
    expect(await alice.ask('carol')).toBe(false);
    expect(inFile).toBe(1);
    await untilHealthy(true);
    expect(await rows()).toBe(0);
    expect(await alice.ask('carol')).toBe(true);
    expect(await rows()).toBe(1);
    chat.expectBalanced();
  });

  it('when repeats were met, and nobody can tell which of a commit went in: what is refused does not stay', async () => {
    await start();
    const heard: string[] = [];
    const sender = {
      onReceipt: ({ id, status }: { id: string; status: string }) => heard.push(`${id} ${status}`),
      onRefused: ({ code }: { code: string }, id: string) => heard.push(`${id} ${code}`),
    };
    const send = async (...ids: string[]) => {
      heard.length = 0;
      for (const id of ids) chat.delivery.send({ from: 'alice', to: 'carol', content: 'x', id }, sender);
      await eventually(() => heard.length === ids.length);
      return heard;
    };
    expect(await send('m1')).toEqual(['m1 stored']);
    chat = await chat.restart(); // It does not remember m1 now.
    let inFile = 0;
    const full = new Error('SQLITE_FULL: database or disk is full');
    failNext(/WITH wanted/, 'before', full, async () => void (inFile = await rows()));
    expect(await send('m1', 'm2')).toEqual(['m1 STORE_UNAVAILABLE', 'm2 STORE_UNAVAILABLE']);
    expect(inFile).toBe(2);
    await untilHealthy(true);
    expect(await rows()).toBe(1);
    expect((await send('m1', 'm2')).sort()).toEqual(['m1 stored', 'm2 stored']);
    expect(await rows()).toBe(2);
    chat.expectBalanced();
  });

  it('after which the commit is in the file all the same: what had to be kept is stored once', async () => {
    await start({ persistAfterMs: 20 });
    const [alice, dave] = [await Sender.connect('alice'), await chat.connectJson('dave')];
    failNext(/INSERT INTO/, 'after');
    alice.send('dave');
    await dave.until('message');
    await alice.untilAnswered();
    expect(alice.receipted.size).toBe(1);
    await chat.untilTotals({ accepted: 1, pending: 1, inFlight: 0 });
    expect(await rows()).toBe(1);
  });

  it('after which the commit is in the file all the same: nobody reads it before it is taken out again', async () => {
    await start();
    const alice = await Sender.connect('alice');
    expect(await alice.ask('carol')).toBe(true);
    const away = `${chat.databaseFile}.away`;
    await database().query('PRAGMA wal_checkpoint(TRUNCATE)');
    const goNext = async () => rename(chat.databaseFile, away);
    failNext(/INSERT INTO/, 'after', IOERR, goNext); // The handle stays open, but the file can't be opened again.
    const id = alice.send('carol');
    await alice.untilAnswered();
    expect([...alice.refused]).toEqual([id]);
    const carol = await chat.connectJson('carol');
    const again = { from: 'alice', to: 'carol', content: 'x', id };
    expect((await chat.rest('POST', '/chat/messages', again)).status).toBe(503);
    expect((await chat.rest('DELETE', '/chat/pending/carol')).status).toBe(503);
    await rename(away, chat.databaseFile);
    await untilHealthy(true);
    expect((await carol.until('message')).data.id).toBe('alice-1');
    expect((await chat.rest('POST', '/chat/messages', again)).status).toBe(201);
    expect((await carol.until('message')).data.id).toBe(id);
    carol.sendJson('ack', { seq: 2 });
    await chat.untilTotals({ accepted: 2, confirmed: 2, pending: 0 });
    expect(await rows()).toBe(0);
  });

  it('behind a commit, because of a lock: who reads meanwhile waits until it is known what is there', async () => {
    await start();
    const alice = await Sender.connect('alice');
    let asked: ReturnType<typeof chat.rest> | undefined;
    failNext(/WITH newer/, 'before', new Error('SQLITE_BUSY: database is locked'), async () => {
      asked = chat.rest('GET', '/chat/users/carol');
      await eventually(
        () => store()['queue']['reads'].length > 0,
        () => 'a read that waits',
      );
    });
    alice.client.sendJson('send', { to: 'carol', content: 'x', id: 'm1', topic: 't' });
    await eventually(
      () => alice.receipted.has('m1'),
      () => 'a receipt for m1',
    );
    expect((await asked!).body.pending).toBe(1);
    expect(store().isHealthy).toBe(true);
  });

  it('at a deletion whose commit went through: it is counted once, and the books balance', async () => {
    await start();
    const alice = await Sender.connect('alice');
    for (let n = 0; n < 3; n += 1) await alice.ask('carol');
    failNext(/DELETE FROM/, 'after');
    expect((await chat.rest('DELETE', '/chat/pending/carol')).status).toBe(503);
    await untilHealthy(true);
    await chat.untilTotals({ purged: 3, pending: 0 });
    expect(await rows()).toBe(0);
  });

  it('at a read: 503, not ready, and well again by itself', async () => {
    await start();
    const alice = await Sender.connect('alice');
    await alice.ask('carol');
    const before = handle();
    failNext(/COUNT\(\*\) AS count/);
    expect((await chat.rest('GET', '/chat/users/carol')).body.code).toBe('STORE_UNAVAILABLE');
    await untilHealthy(true);
    expect(handle()).not.toBe(before);
    expect((await chat.rest('GET', '/chat/users/carol')).body.pending).toBe(1);
  });

  it('while the file has gone: no new one is made, and all goes on when it is back', async () => {
    await start();
    const alice = await Sender.connect('alice');
    expect(await alice.ask('carol')).toBe(true);
    await database().query('PRAGMA wal_checkpoint(TRUNCATE)');
    await rename(chat.databaseFile, `${chat.databaseFile}.away`);
    failNext(/INSERT INTO/);
    expect(await alice.ask('carol')).toBe(false);
    expect(await alice.ask('carol')).toBe(false);
    // The handle is kept until then, so what it has can still be read.
    expect((await chat.rest('GET', '/chat/users/carol')).body.pending).toBe(1);
    expect((await chat.rest('GET', '/chat/pending')).status).toBe(503); // Lists open the file anew.
    expect(() => statSync(chat.databaseFile)).toThrow('ENOENT');
    await rename(`${chat.databaseFile}.away`, chat.databaseFile);
    await untilHealthy(true);
    expect(await alice.ask('carol')).toBe(true);
    await expectNothingMissing('carol', alice);
  });

  const noMore = () => Promise.resolve();
  const handle = () => (database().driver as unknown as { databaseConnection: object }).databaseConnection;

  /** Counts the messages in the file, without the row of a probe, which may come and go. */
  async function rows(): Promise<number> {
    const sql = "SELECT COUNT(*) AS count FROM holdfast_offline_message WHERE recipient <> ''";
    return ((await database().query(sql)) as [{ count: number }])[0].count;
  }

  /** Makes the next statement of this kind fail, before it runs or after its commit. */
  function failNext(kind: RegExp, when: 'before' | 'after' = 'before', error = IOERR, more = noMore): void {
    let armed = true;
    interceptStatements(database(), async (sql, run) => {
      if (!armed || !kind.test(sql)) return run();
      armed = false;
      if (when === 'after') await run();
      await more();
      throw error;
    });
  }
});

describe('a stop while the store fails', () => {
  it('ends, and what is lost had no receipt', async () => {
    await start({ persistAfterMs: 20 });
    const [alice, bob] = [await Sender.connect('alice'), await chat.connectJson('bob')];
    holder = await LockHolder.start(chat.databaseFile, 'BEGIN IMMEDIATE');
    const unconfirmed = alice.send('bob');
    await bob.until('message');
    await alice.ask('carol');
    const folder = await chat.stop();
    expect([...alice.receipted]).toEqual([]);
    await holder.release();
    holder = null;
    chat = await ChatApp.start({}, folder);
    expect(await chat.delivery.pendingOf('bob')).toBe(0);
    expect(unconfirmed).toBe('alice-1');
  });
});
