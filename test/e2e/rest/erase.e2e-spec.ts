import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { storeOptions } from '../../../src/database/store-options.js';
import { ChatService } from '../../../src/chat/chat.service.js';
import { RecordService } from '../../../src/record/record.service.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { eventually } from '../../support/deadline.js';
import { RecordWriter } from '../../support/record-writer.js';

const RECORD = { keepMs: 3_600_000, maxPerConversation: null, conversationsPerDay: null };
/** Letters that nothing else in a database has. */
const NAME = 'zyxxyz-quuxley';
const SECRET = 'plugh-content';

/** The files of a database, without the log of Postgres, which is not promised. */
async function filesOf(url: string, folder: string | null): Promise<string[]> {
  const root = folder ?? dirname(url.slice(url.indexOf(':') + 1));
  const names = await readdir(root, { recursive: true });
  const paths = names.filter((name) => !name.includes('pg_wal')).map((name) => join(root, name));
  const files = await Promise.all(paths.map(async (path) => ((await stat(path)).isFile() ? [path] : [])));
  return files.flat();
}

/** Returns the files in which one of these texts can be read. */
async function filesWith(files: readonly string[], texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of files) {
    const bytes = await readFile(path);
    if (texts.some((text) => bytes.includes(text))) found.push(path);
  }
  return found;
}

/** Writes the files anew, as an operator does who wants nothing to be left in them of what was deleted. */
async function tidyUp(url: string): Promise<void> {
  if (!url.startsWith('postgres:'))
    return runAll({ ...storeOptions(url), entities: [], migrations: [] }, 'VACUUM', 'PRAGMA wal_checkpoint(TRUNCATE)');
  const tables = 'holdfast_offline_message, holdfast_record, holdfast_record_user, holdfast_member, holdfast_erasure';
  const others = 'holdfast_last_seen, holdfast_notice';
  // The statistics of Postgres have values of columns in them.
  const anew = [`VACUUM (FULL, ANALYZE) ${tables}, ${others}`, 'VACUUM FULL pg_statistic'];
  return runAll({ type: 'postgres', url }, ...anew, 'CHECKPOINT');
}

async function runAll(options: DataSourceOptions, ...statements: string[]): Promise<void> {
  const outside = await new DataSource(options).initialize();
  try {
    for (const statement of statements) await outside.query(statement);
  } finally {
    await outside.destroy();
  }
}

describe.each(DATABASE_KINDS)('a user who is erased, on %s', (_, kindOf) => {
  let kind: DatabaseKind;
  let url: string;
  let app: ChatApp | null = null;
  let records: RecordService;
  let writer: RecordWriter;
  beforeAll(() => (kind = kindOf()));
  afterAll(() => kind.dispose());
  afterEach(async () => {
    await app?.dispose();
    app = null;
  });

  async function start(options: TestOptions = {}): Promise<ChatApp> {
    url = await kind.create();
    app = await ChatApp.start({ record: RECORD, ...options }, undefined, url);
    records = app.app.get(RecordService);
    writer = new RecordWriter(app);
    return app;
  }
  const chat = () => app!.app.get(ChatService);
  const only = async (user: string) => {
    const { items } = await records.conversations(user, { limit: 10 });
    expect(items).toHaveLength(1);
    return items[0]!;
  };

  const untilDone = () =>
    eventually(async () => {
      const { statements } = app!.app.get(OfflineMessageService).access;
      return (await statements.query('SELECT id FROM holdfast_erasure', [])).records.length === 0;
    });

  it.each(['aaron', 'zyzzyva'])('leaves to %s the conversation, in its order, under a pseudonym', async (peer) => {
    await start();
    const positions = await writer.write([
      ['mia', peer, 'from mia'],
      [peer, 'mia', 'to mia'],
      ['mia', peer, 'again'],
      ['mia', peer, 'unread'],
    ]);
    await records.markRead(peer, 'mia', positions[2]!);
    await records.markRead('mia', peer, positions[3]!);
    expect(await chat().erase('mia', { authored: 'blank' })).toEqual({ done: true, purged: 0, recorded: 4 });

    const conversation = await only(peer);
    expect(conversation).toMatchObject({ with: expect.stringMatching(/^erased\|/), peer: { read: null } });
    // Nothing is left to read in what was emptied.
    expect(conversation.unread).toBe(0);
    expect(await Promise.all([chat().unread(peer), chat().unread(peer, conversation.with)])).toEqual([0, 0]);
    const { items } = await records.history(peer, { with: conversation.with, limit: 10 });
    const { with: gone } = conversation;
    expect(items.map(({ from, to, content, meta }) => [from, to, content, meta])).toEqual([
      [gone, peer, '', null],
      [peer, gone, 'to mia', '{"n":"to mia"}'],
      [gone, peer, '', null],
      [gone, peer, '', null],
    ]);
    expect(items.map(({ erasedAt }) => erasedAt !== null)).toEqual([true, false, true, true]);
    const encoded = encodeURIComponent(gone);
    expect((await app!.rest('GET', `/chat/history/${peer}/${encoded}`)).body.items).toHaveLength(4);
    await expect(chat().send({ from: peer, to: gone, content: 'x' })).rejects.toMatchObject({ code: 'BAD_RECIPIENT' });
    expect((await records.history(peer, { with: 'mia', limit: 10 })).items).toEqual([]);
    expect((await records.conversations('mia', { limit: 10 })).items).toEqual([]);
    expect(await records.sync('mia', { after: 1, limit: 10 })).toMatchObject({ isComplete: false });
    expect((await records.sync(peer, { after: 0, limit: 10 })).items.map(({ position }) => position)).toEqual(
      items.map(({ position }) => position),
    );
  });

  it('keeps what the user has written, if it is asked to', async () => {
    await start();
    await writer.write([['mia', 'bob', 'kept']]);
    expect(await chat().erase('mia', { authored: 'keep' })).toMatchObject({ done: true, recorded: 1 });
    const { with: gone, unread } = await only('bob');
    expect(unread).toBe(1);
    expect((await records.history('bob', { with: gone, limit: 10 })).items).toMatchObject([
      { from: gone, content: 'kept', erasedAt: null },
    ]);
    await records.markRead('bob', gone, Number.MAX_SAFE_INTEGER);
    expect(await chat().unread('bob', gone)).toBe(0);
  });

  it('takes a conversation along that has no other side left', async () => {
    await start();
    await writer.write([
      ['mia', 'mia', 'a note'],
      ['mia', 'bob', 'x'],
      ['bob', 'mia', 'y'],
    ]);
    expect(await chat().erase('mia', { authored: 'keep' })).toMatchObject({ recorded: 3 });
    expect(await chat().erase('bob', { authored: 'keep' })).toMatchObject({ recorded: 2 });
    const { statements } = app!.app.get(OfflineMessageService).access;
    for (const table of ['holdfast_record', 'holdfast_member', 'holdfast_record_user', 'holdfast_erasure'])
      expect([table, (await statements.query(`SELECT * FROM ${table}`, [])).records]).toEqual([table, []]);
  });

  it('is gone from the files of the database: no byte of the name, none of what was written', async () => {
    await start();
    await writer.write([
      ...Array.from({ length: 450 }, (_each, n) => [NAME, `peer${n % 3}`, `${SECRET} ${n}`] as const),
      ['bob', NAME, 'an answer'],
    ]);
    const own = await app!.connectJson(NAME);
    own.sendJson('send', { to: 'bob', content: SECRET, id: 'w1' });
    await own.until('receipts');
    await app!.connect('carol').then((carol) => carol.send(`${NAME}|in flight`));
    expect((await own.until('message')).data).toMatchObject({ content: 'in flight' });
    // Postgres has it in memory only, until then.
    if (kind.folder) await runAll({ type: 'postgres', url }, 'CHECKPOINT');
    expect((await filesWith(await filesOf(url, kind.folder), [NAME, SECRET])).length).toBeGreaterThan(0);

    expect(await app!.rest('DELETE', `/chat/users/${NAME}?authored=blank`)).toMatchObject({
      status: 200,
      body: { done: true, purged: 2 },
    });
    expect(await own.expectClose(4403)).toMatchObject({ code: 4403 });
    app!.expectBalanced();
    expect(app!.delivery.totals).toMatchObject({ purged: 2, pending: 0, inFlight: 0 });
    await app!.stop();

    await tidyUp(url);
    expect(await filesWith(await filesOf(url, kind.folder), [NAME, SECRET])).toEqual([]);
    app = await ChatApp.start({ record: RECORD }, app!.folder, url);
    records = app.app.get(RecordService);
    expect((await records.conversations('bob', { limit: 10 })).items).toHaveLength(1);
  });

  it('is erased at the next start when the process died meanwhile', async () => {
    await start();
    await writer.write([['mia', 'bob', 'x']]);
    await chat().send({ from: 'bob', to: 'mia', content: 'y' });
    const { statements } = app!.app.get(OfflineMessageService).access;
    await statements.query(
      `INSERT INTO holdfast_erasure (id, "user", authored, "askedAt") VALUES ('left', 'mia', 'blank', 1)`,
      [],
    );
    app = await app!.restart();
    records = app.app.get(RecordService);
    await app.untilPending('mia', 0);
    await untilDone();
    const { with: gone } = await only('bob');
    const { items } = await records.history('bob', { with: gone, limit: 10 });
    expect(items.map(({ content }) => content)).toEqual(['', 'y']);
  });
});

describe('the call to erase a user', () => {
  let app: ChatApp;
  beforeAll(async () => (app = await ChatApp.start()));
  afterAll(() => app.dispose());

  it('says what becomes of what was written, or is refused', async () => {
    expect(await app.rest('DELETE', '/chat/users/bob')).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    expect(await app.rest('DELETE', '/chat/users/bob?authored=all')).toMatchObject({ status: 400 });
    expect(await app.rest('DELETE', '/chat/users/bob?authored=keep')).toEqual({
      status: 200,
      body: { done: true, purged: 0, recorded: 0 },
    });
  });

  it('removes what waits also where nothing is recorded, and when the user was last seen', async () => {
    const bob = await app.connect('bob');
    bob.send('ann|later');
    bob.send('carl|later');
    await app.untilPending('carl', 1);
    bob.socket.terminate();
    await app.untilOffline('bob');
    await app.app.get(ChatService).send({ from: 'ann', to: 'bob', content: 'hi' });
    expect(await app.rest('DELETE', '/chat/users/bob?authored=blank')).toMatchObject({ body: { purged: 3 } });
    expect((await app.rest('GET', '/chat/users/bob')).body).toMatchObject({ pending: 0, lastSeenAt: null });
    app.expectBalanced();
  });
});
