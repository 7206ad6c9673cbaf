import { jest } from '@jest/globals';
import { readdirSync, readlinkSync } from 'node:fs';
import { ChatService } from '../../../src/chat/chat.service.js';
import { openStore, readerOf, reopenStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { mailboxKeyOf } from '../../../src/delivery/mailbox-store.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { Statements } from '../../../src/offline-messages/statements.js';
import { PendingListTable } from '../../../src/offline-messages/pending-list.table.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';

const OFF = { maxPendingPerUser: null, maxPendingBytesPerUser: null, maxPendingPerSender: null };

let chat: ChatApp;
afterEach(() => jest.restoreAllMocks());

const store = () => chat.app.get(OfflineMessageService);
const get = async (path: string) => (await chat.rest('GET', path)).body;

/** Starts the server and inserts this number of messages for each of these users into the table. */
async function startOn(url: string, waiting: Record<string, number>, bytes = 10): Promise<void> {
  chat = await ChatApp.start(OFF, undefined, url);
  const table = store()['table'];
  let position = 0;
  for (const [to, count] of Object.entries(waiting)) {
    const rows = Array.from({ length: count }, () => {
      const id = `m${(position += 1)}`;
      return {
        mailbox: mailboxKeyOf(to),
        to,
        from: 'ann',
        id,
        content: 'x'.repeat(bytes),
        position,
        bytes,
        sentAt: position,
        storedAt: 1,
      };
    });
    const atOnce = Math.ceil(1_000_000 / bytes);
    for (let at = 0; at < count; at += atOnce) await table.insert(rows.slice(at, at + atOnce));
  }
  // The server does not know the positions of rows that it did not insert.
  if (!url.endsWith(':memory:')) chat = await chat.restart();
}

describe.each(DATABASE_KINDS)('the lists of what waits, on %s', (_name, makeKind) => {
  let kind: DatabaseKind;
  beforeAll(() => {
    kind = makeKind();
  });
  afterAll(() => kind.dispose());
  afterEach(() => chat.dispose());

  it('miss nobody who waited throughout, whatever comes and goes between the pages, and list nobody twice', async () => {
    const users = Array.from({ length: 9 }, (_, n) => `user-${n}`);
    await startOn(await kind.create(), Object.fromEntries(users.map((user, n) => [user, n + 1])));
    const seen: string[] = [];
    for (let path: string | null = '/chat/pending?limit=2'; path;) {
      const { items, total, nextCursor } = await get(path);
      expect(total).toBe(9);
      seen.push(...items.map(({ user }: { user: string }) => user));
      path = nextCursor && `/chat/pending?limit=2&cursor=${nextCursor}`;
      // Each grows, shrinks or changes its rank among the others by size.
      for (const n of [0, 3, 6])
        await chat.app.get(ChatService, { strict: false }).send({ from: 'x', to: `user-${n}`, content: 'x' });
      const [last] = (await get('/chat/pending/user-8?limit=1')).items;
      await chat.rest('DELETE', `/chat/pending/user-8/${last.from}/${last.id}`);
    }
    expect(seen).toEqual(users);
  });

  it('put together what many statements read: mailboxes longer than one, and many that are short', async () => {
    const short = Object.fromEntries(Array.from({ length: 700 }, (_, n) => [`s-${String(n).padStart(3, '0')}`, 1]));
    await startOn(await kind.create(), { a: 1, big: 1_000, m: 3, ...short, zoe: 650 });
    expect(
      (await get('/chat/pending?limit=3')).items.map(({ user, count, bytes }: Record<string, unknown>) => [
        user,
        count,
        bytes,
      ]),
    ).toEqual([
      ['a', 1, 10],
      ['big', 1_000, 10_000],
      ['m', 3, 30],
    ]);
    const { items, total } = await get('/chat/pending?order=most&limit=3');
    expect(items.map(({ user, count }: Record<string, unknown>) => [user, count])).toEqual([
      ['big', 1_000],
      ['zoe', 650],
      ['m', 3],
    ]);
    expect(total).toBe(704);
    expect((await get('/chat/pending?limit=1')).total).toBe(704);
    expect(await get('/chat/pending/big?limit=1')).toMatchObject({ total: 1_000 });
    const page = await get('/chat/pending/big?limit=999');
    const rest = await get(`/chat/pending/big?limit=999&cursor=${page.nextCursor}`);
    expect([page.items.length, rest.items.length, rest.total, rest.nextCursor]).toEqual([999, 1, 1_000, null]);
    expect(new Set([...page.items, ...rest.items].map(({ id }: { id: string }) => id)).size).toBe(1_000);
  });

  it('end a page of messages with the one that brings it to 16 MiB, however many statements that takes', async () => {
    await startOn(await kind.create(), { bob: 40 }, 1_000_000);
    const page = await get('/chat/pending/bob?limit=100');
    expect([page.items.length, page.total]).toEqual([17, 40]);
    const next = await get(`/chat/pending/bob?limit=100&cursor=${page.nextCursor}`);
    expect(next.items[0].id).toBe('m18');
  });

  it('ask nothing of the connection that stores, and do not wait for it', async () => {
    await startOn(await kind.create(), { bob: 500, carol: 1 });
    const statements = chat.watchStatements();
    const disk = chat.blockDisk();
    const waits = chat.app.get(ChatService, { strict: false }).send({ from: 'ann', to: 'dan', content: 'x' });
    expect((await get('/chat/pending')).total).toBe(2);
    expect((await get('/chat/pending?order=most')).total).toBe(2);
    expect((await get('/chat/pending/bob')).total).toBe(500);
    // Each start asks once for erasures that are not done.
    const asked = statements.filter((sql) => !sql.startsWith('WITH') && !sql.includes('holdfast_erasure'));
    expect(asked).toEqual([]);
    disk.release();
    await waits;
    expect((await get('/chat/pending')).total).toBe(3);
  });

  it('are read few rows at a time, one statement after the other, however many ask', async () => {
    await startOn(await kind.create(), { bob: 3_000 });
    let running = 0;
    const rows: number[] = [];
    const mailboxParts = PendingListTable.prototype['mailboxParts'];
    jest.spyOn(PendingListTable.prototype, 'mailboxParts').mockImplementation(async function (
      this: PendingListTable,
      after,
      limit,
    ) {
      running += 1;
      rows.push(limit);
      const parts = await mailboxParts.call(this, after, limit);
      if (running > 1) throw new Error('two at once');
      running -= 1;
      return parts;
    });
    const answers = await Promise.all(Array.from({ length: 5 }, () => chat.rest('GET', '/chat/pending?order=most')));
    expect(answers.map(({ body }) => body.items[0].count)).toEqual([3_000, 3_000, 3_000, 3_000, 3_000]);
    expect(Math.max(...rows)).toBeLessThanOrEqual(4_000);
  });

  it('are opened when somebody asks, again when the store was opened anew, and leave nothing open', async () => {
    const url = await kind.create();
    await startOn(url, { bob: 1 });
    const { lists } = store();
    expect(lists['reader']).toBeNull();
    await get('/chat/pending');
    const reader = await lists['reader']!;
    await expect(reader.query('DELETE FROM holdfast_offline_message')).rejects.toThrow(/read-?only/i);
    store()['queue'].markBroken(new Error('it is opened anew'));
    await eventually(() => store().isHealthy);
    expect((await get('/chat/pending')).total).toBe(1);
    expect(await lists['reader']!).not.toBe(reader);
    expect(reader.isInitialized).toBe(false);
    const again = await lists['reader']!;
    await chat.stop();
    expect(again.isInitialized).toBe(false);
    expect(openFiles().filter((path) => path.includes(url.replace(/^.*sqlite3?:/, '')))).toEqual([]);
    chat = await ChatApp.start(OFF, chat.folder, url);
    expect((await get('/chat/pending')).total).toBe(1);
  });

  it('take no lock of a store: another server still has it to itself, and none is let in beside them', async () => {
    const url = await kind.create();
    const store = await openStore(storeOptions(url));
    const reader = await readerOf(store)!();
    try {
      await expect(openStore(storeOptions(url))).rejects.toThrow(/another Holdfast/i);
      await reopenStore(store);
      expect(await new PendingListTable(new Statements(reader)).users('', 9)).toEqual({ count: 0, user: null });
    } finally {
      await store.destroy();
      const next = await openStore(storeOptions(url)); // The reader is still open.
      await reader.destroy();
      await next.destroy();
    }
    chat = await ChatApp.start();
  });
});

describe('the lists of a store in memory', () => {
  afterEach(() => chat.dispose());

  it.each(['sqlite::memory:', 'better-sqlite3::memory:'])(
    'are read on its only connection, between two commits: %s',
    async (url) => {
      await startOn(url, { bob: 9_000, carol: 2 });
      expect(await get('/chat/pending?order=most')).toMatchObject({
        items: [{ count: 9_000 }, { count: 2 }],
        total: 2,
      });
      expect((await get('/chat/pending/bob?limit=1')).total).toBe(9_000);
      const statements = chat.watchStatements();
      await get('/chat/pending');
      expect(statements.length).toBeGreaterThan(2);
    },
  );
});

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // The descriptor that lists them.
    }
  });
}
