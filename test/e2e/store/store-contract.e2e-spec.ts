import type { DataSource } from 'typeorm';
import { AddMessageExtras1795790000001 } from '../../../src/database/migrations/1795790000001-add-message-extras.js';
import { migrations } from '../../../src/database/migrations/index.js';
import { openStore, reopenStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { mailboxKeyOf, type StoredMessage } from '../../../src/delivery/mailbox-store.js';
import { faultOf } from '../../../src/offline-messages/store-fault.js';
import type { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import type { PendingListTable } from '../../../src/offline-messages/pending-list.table.js';
import { ChatApp } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { ownedTable } from '../../support/owned-table.js';

const ALL = Number.MAX_SAFE_INTEGER;
/** Above what 32 bits hold, as the times are. */
const BOB = mailboxKeyOf('bob');
const BIG = 4_102_444_800_123;
/** Where the migration of the extras is in the list. */
const EXTRAS = migrations.indexOf(AddMessageExtras1795790000001);
const HOSTILE = [
  `'; DROP TABLE holdfast_offline_message; --`,
  `"quoted" \\ and \\u0041 \\0 %s $1 ?1 :name {}`,
  '[1,2]',
  'null',
  '\0',
  '\x01',
  '\x010\x011\0\x01\x01\0',
  ' \t\r\n ',
  '\u2028\u2029\ufeff\uffff\u{10ffff}',
  'e\u0301 \u00e9',
  '👩‍👩‍👧‍👦',
];

describe.each(DATABASE_KINDS)('the store on %s', (_name, makeKind) => {
  let kind: DatabaseKind;
  beforeAll(async () => {
    kind = makeKind();
    await (await openStore(storeOptions(await kind.create()))).destroy();
  });
  afterAll(() => kind.dispose());

  describe('its table', () => {
    let store: DataSource;
    let table: PendingListTable;
    beforeEach(async () => {
      store = await openStore(storeOptions(await kind.create()));
      table = await ownedTable(store);
    });
    afterEach(() => store.destroy());

    it('keeps every field as it was, numbers as numbers', async () => {
      const row: StoredMessage = { ...message(BIG), bytes: 2 ** 31 - 1, sentAt: BIG + 1, storedAt: BIG + 2 };
      expect(await table.insert([row])).toBe(1);
      expect(await table.page(BOB, 0, ALL, 10, ALL)).toEqual([row]);
      const { content: _content, storedAt: _storedAt, ...header } = row;
      expect(await table.oldest(BOB, 10)).toEqual([header]);
      expect(await table.storedBefore(BIG + 3, 10)).toEqual([header]);
      expect(await table.withIds([row])).toEqual([header]);
    });

    it('keeps content byte for byte: hostile strings, and every code point', async () => {
      const contents = [...HOSTILE, '', 'x'.repeat(1_000_000), ...everyCodePoint()];
      const rows = contents.map((content, n) => ({ ...message(n + 1), content }));
      expect(await table.insert(rows)).toBe(rows.length);
      const read = await table.page(BOB, 0, ALL, rows.length + 1, ALL);
      expect(read.length).toBe(rows.length);
      expect(read.flatMap(({ content }, n) => (content === contents[n] ? [] : [n]))).toEqual([]);
    });

    it('keeps what a sender has added, beside plain messages in the same commit', async () => {
      const all = {
        meta: '{"a":"\\u0000\u{1f600}","b":[null,1.5]}',
        expiresAt: BIG,
        topic: 'w'.repeat(32),
        urgency: 'high',
      };
      const extras = [
        undefined,
        all,
        { urgency: 'very-low' },
        { topic: 't' },
        undefined,
        { meta: '{}' },
        { expiresAt: 0 },
      ];
      const rows = extras.map((each, n) => ({ ...message(n + 1), extras: each }) as StoredMessage);
      expect(await table.insert(rows)).toBe(rows.length);
      expect(await table.page(BOB, 0, ALL, 10, ALL)).toEqual(rows);
      expect((await table.backlogs([BOB])).get(BOB)).toEqual(rows);
      expect(await table.usageBySender([BOB])).toEqual([{ mailbox: BOB, from: 'ann', count: 7, bytes: 7, urgent: 2 }]);
    });

    it('finds what a newer message of the same sender, recipient and topic replaces', async () => {
      const of = (position: number, more: Partial<StoredMessage> = {}) => ({
        ...message(position),
        extras: { topic: 't' },
        ...more,
      });
      const others = [of(1, { from: 'eve' }), of(2, lies('cat')), of(3, { extras: { topic: 'u' } }), message(4)];
      await table.insert([...others, of(5), of(6), of(9)]);
      const found = await table.extras.superseded([of(7), message(8), of(6)]);
      expect(found.map(({ id, by }) => `${id} by ${by}`).sort()).toEqual(['m5 by 6', 'm5 by 7', 'm6 by 7']);
      const { content: _content, storedAt: _storedAt, extras: _extras, ...header } = of(5);
      expect(found).toContainEqual({ ...header, by: 7 });
    });

    it('finds whose time is over in the order of their times, and when the next one is', async () => {
      const times = [30, null, 10, 20, BIG, 10];
      await table.insert(
        times.map((at, n) => ({ ...message(n + 1), extras: at === null ? undefined : { expiresAt: at } })),
      );
      const start = { expiresAt: 0, position: 0 };
      const first = await table.extras.overdue(30, start, 2);
      expect(first.map(({ position, expiresAt }) => [position, expiresAt])).toEqual([
        [3, 10],
        [6, 10],
      ]);
      expect((await table.extras.overdue(30, first.at(-1)!, 9)).map(({ id }) => id)).toEqual(['m4']);
      expect(await table.extras.nextExpiry(30)).toBe(30);
      expect(await table.extras.nextExpiry(31)).toBe(BIG);
      expect(await table.extras.nextExpiry(BIG + 1)).toBeNull();
    });

    it('finds the least urgent of a mailbox, the oldest first', async () => {
      const urgencies = ['high', undefined, 'low', 'normal', 'very-low', 'low'] as const;
      await table.insert(urgencies.map((urgency, n) => ({ ...message(n + 1), extras: urgency && { urgency } })));
      expect((await table.extras.leastUrgent(BOB, 9)).map(({ position }) => position)).toEqual([5, 3, 6, 2, 4, 1]);
      expect((await table.extras.leastUrgent(BOB, 2)).map(({ position }) => position)).toEqual([5, 3]);
    });

    it('keeps what has extras when an older version takes over, as plain messages', async () => {
      await table.insert([
        message(1),
        { ...message(2), extras: { meta: '{}', topic: 't', expiresAt: 9, urgency: 'low' } },
      ]);
      for (const _migration of migrations.slice(EXTRAS)) await store.undoLastMigration();
      const rows = await store.query('SELECT * FROM holdfast_offline_message ORDER BY position');
      expect(rows.map((row: { id: string; content: string }) => [row.id, row.content])).toEqual([
        ['m1', 'x'],
        ['m2', 'x'],
      ]);
      expect(Object.keys(rows[1])).toHaveLength(8);
      await store.runMigrations();
      table = await ownedTable(store);
      expect(await table.page(BOB, 0, ALL, 9, ALL)).toEqual([message(1), message(2)]);
    });

    it('tells names apart by their bytes, also where it sorts them as people do', async () => {
      // By the rules of a language 'a' and 'A' stand together, and 'Z' behind them.
      const names = ['Z', 'a', 'A', 'z', 'ä', 'a b', 'a-b', 'ab', '_', "o'neill", 'z%', '中', '𐐷', '\uffee', '%s', '1'];
      await table.insert(names.map((to, n) => ({ ...message(n + 1), ...lies(to) })));
      const seen: string[] = [];
      for (let after = { user: '', position: 9 }; ;) {
        const parts = await table.mailboxParts(after, 3);
        seen.push(...parts.map(({ user }) => user));
        if (parts.length < 3) break;
        after = { user: seen.at(-1)!, position: BIG };
      }
      expect([...seen].sort()).toEqual([...names].sort());
      const counted: number[] = [];
      for (let after: string | null = ''; after !== null;) {
        const { count, user } = await table.users(after, 3);
        counted.push(count);
        after = user;
      }
      expect(counted).toEqual([3, 3, 3, 3, 3, 1]);
      for (const [n, name] of names.entries())
        expect((await table.oldest(mailboxKeyOf(name), 9)).map((row) => row.position)).toEqual([n + 1]);
    });

    it('takes a message of one sender to one recipient once, within a batch and later', async () => {
      const first = message(1);
      const again = { ...message(2), id: first.id };
      const other = { ...message(3), id: first.id, from: 'Ann' };
      expect(await table.insert([first, again, other])).toBe(2);
      expect(await table.insert([again, first, message(4)])).toBe(1);
      expect((await table.page(BOB, 0, ALL, 9, ALL)).map((row) => row.position)).toEqual([1, 3, 4]);
      expect((await table.withIds([again])).map((row) => row.position)).toEqual([1]);
      expect(await table.withIds([{ mailbox: BOB, from: 'nobody', id: first.id }])).toEqual([]);
    });

    it('answers how many rows a deletion found, and deletes no other message than the one that is named', async () => {
      await table.insert([message(1), message(2), { ...message(3), ...lies('cat') }]);
      const others = [{ id: 'other' }, { from: 'eve' }, { ...lies('cat') }, { position: 9 }];
      expect(await table.remove(others.map((part) => ({ ...message(2), ...part })))).toBe(0);
      const gone = [message(1), message(3), { ...message(3), ...lies('cat') }, message(9)];
      expect(await table.remove(gone)).toBe(2);
      expect(await table.remove(gone)).toBe(0);
      expect(await table.remove([])).toBe(0);
      expect((await table.page(BOB, 0, ALL, 10, ALL)).map((row) => row.position)).toEqual([2]);
    });

    it.each([
      ['alone', (taken: StoredMessage) => [taken]],
      ['among others', (taken: StoredMessage) => [message(7), taken, message(8)]],
      ['beside a repeat', (taken: StoredMessage) => [message(1), taken]],
    ])(
      'does not take a message for a repeat when its position is that of another: it is told %s',
      async (_where, rowsWith) => {
        await table.insert([message(1)]);
        const failure = await table.insert(rowsWith({ ...message(1), id: 'another' })).catch((error: unknown) => error);
        expect(faultOf(failure)).toBe('displaced');
        expect((await table.page(BOB, 0, ALL, 9, ALL)).map((row) => row.id)).toEqual(['m1']);
        expect(await table.insert([{ ...message(1), ...lies('cat'), id: 'another' }])).toBe(1); // Each mailbox has its own.
      },
    );

    it('neither stores nor deletes anything for a process that is not its owner any more', async () => {
      const successor = await ownedTable(store);
      expect(await table.insert([message(1)])).toBe(0);
      expect(faultOf(await table.tryWrite().catch((error: unknown) => error))).toBe('displaced');
      expect(await successor.insert([message(1)])).toBe(1);
      expect(await table.remove([message(1)])).toBe(0);
      expect(await successor.remove([message(1)])).toBe(1);
    });

    it('reads a mailbox in order, in pages', async () => {
      await table.insert([30, 4, 200, 1, 100].map(message));
      expect((await table.page(BOB, 0, ALL, 2, ALL)).map((row) => row.position)).toEqual([1, 4]);
      expect((await table.page(BOB, 4, 150, 9, ALL)).map((row) => row.position)).toEqual([30, 100]);
      expect((await table.oldest(BOB, 3)).map((row) => row.position)).toEqual([1, 4, 30]);
      expect(await table.page(mailboxKeyOf('cat'), 0, ALL, 9, ALL)).toEqual([]);
    });

    it('ends a page with the message that brings it to so many bytes', async () => {
      await table.insert([10, 10, 10, 50, 1].map((bytes, n) => ({ ...message(n + 1), bytes })));
      const pageOf = async (bytes: number, after = 0) =>
        (await table.page(BOB, after, ALL, 4, bytes)).map((row) => row.position);
      expect(await pageOf(1)).toEqual([1]);
      expect(await pageOf(10)).toEqual([1]);
      expect(await pageOf(11)).toEqual([1, 2]);
      expect(await pageOf(31)).toEqual([1, 2, 3, 4]);
      expect(await pageOf(ALL)).toEqual([1, 2, 3, 4]);
      expect(await pageOf(50, 3)).toEqual([4]);
      expect(await pageOf(51, 3)).toEqual([4, 5]);
      expect(await pageOf(1, 5)).toEqual([]);
    });

    it('reads whole mailboxes in order, many at once', async () => {
      const rows = HOSTILE.map((content, n) => ({
        ...message(n + 1),
        ...lies(n % 3 === 0 ? "o'neill" : 'bob'),
        content,
      }));
      await table.insert([...rows].reverse());
      await table.insert([{ ...message(99), ...lies('cat') }]);
      const backlogs = await table.backlogs(['bob', 'nobody', "o'neill"].map(mailboxKeyOf));
      expect([...backlogs.keys()].sort()).toEqual(['bob', "o'neill"]);
      for (const [user, backlog] of backlogs) expect(backlog).toEqual(rows.filter(({ to }) => to === user));
    });

    it('finds what has expired, oldest first', async () => {
      await table.insert([5, 3, 9, 1].map((n) => ({ ...message(n), storedAt: BIG + n })));
      expect((await table.storedBefore(BIG + 9, 2)).map((row) => row.position)).toEqual([1, 3]);
      expect((await table.storedBefore(BIG + 9, 9)).map((row) => row.position)).toEqual([1, 3, 5]);
    });

    it('counts', async () => {
      expect(await table.summary()).toEqual({ count: 0, bytes: 0, lastPosition: 0 });
      await table.insert([
        message(1),
        message(BIG),
        { ...message(3), ...lies('cat') },
        { ...message(4), from: 'eve', bytes: 7 },
      ]);
      expect(await table.summary()).toEqual({ count: 4, bytes: 10, lastPosition: BIG });
      const sizes = await table.storedBytesOf(['eve', 'nobody', 'ann', "o'neill"]);
      expect(new Map(sizes.map(({ from, bytes }) => [from, bytes]))).toEqual(
        new Map(Object.entries({ ann: 3 * 257, eve: 263, nobody: 0, "o'neill": 0 })),
      );
      expect(await table.counts(['bob', 'nobody', 'cat'].map(mailboxKeyOf))).toEqual(
        new Map(Object.entries({ bob: 3, cat: 1 })),
      );
      const usage = await table.usageBySender(['bob', 'cat', "o'neill"].map(mailboxKeyOf));
      expect(usage.sort((a, b) => (a.mailbox + a.from < b.mailbox + b.from ? -1 : 1))).toEqual([
        { mailbox: 'bob', from: 'ann', count: 2, bytes: 2, urgent: 0 },
        { mailbox: 'bob', from: 'eve', count: 1, bytes: 7, urgent: 0 },
        { mailbox: 'cat', from: 'ann', count: 1, bytes: 1, urgent: 0 },
      ]);
      const bob = { user: 'bob', count: 3, bytes: 9, oldest: 1, newest: BIG, lastPosition: BIG };
      const cat = { user: 'cat', count: 1, bytes: 1, oldest: 3, newest: 3, lastPosition: 3 };
      const start = { user: '', position: BIG };
      expect(await table.mailboxParts(start, 9)).toEqual([bob, cat]);
      expect(await table.mailboxParts(start, 2)).toEqual([{ ...bob, count: 2, bytes: 8, newest: 4, lastPosition: 4 }]);
      expect(await table.mailboxParts({ user: 'bob', position: 4 }, 9)).toEqual([
        { ...bob, count: 1, bytes: 1, oldest: BIG },
        cat,
      ]);
      expect(await table.mailboxParts({ user: 'bob', position: BIG }, 9)).toEqual([cat]);
      expect(await table.countAfter('bob', 0, 2)).toEqual({ count: 2, position: 4 });
      expect(await table.countAfter('bob', 4, 2)).toEqual({ count: 1, position: null });
      expect(await table.countAfter('nobody', 0, 2)).toEqual({ count: 0, position: null });
      expect(await table.users('', 2)).toEqual({ count: 1, user: 'bob' });
      expect(await table.users('bob', 2)).toEqual({ count: 1, user: null });
    });

    it('probes the disk with a row that nothing lists', async () => {
      await table.tryWrite();
      expect(await store.query('SELECT id FROM holdfast_offline_message')).toEqual([]);
      await table.insert([{ ...message(0), ...lies(''), from: '', id: 'probe' }]);
      expect(await table.summary()).toMatchObject({ count: 0, bytes: 0 });
      expect(await table.mailboxParts({ user: '', position: BIG }, 9)).toEqual([]);
      expect(await table.users('', 9)).toEqual({ count: 0, user: null });
      expect(await table.storedBefore(BIG, 9)).toEqual([]); // It would be counted as a message that has expired.
      await table.removeProbeRow();
      expect(await store.query('SELECT id FROM holdfast_offline_message')).toEqual([]);
    });

    it('goes on when it was opened anew', async () => {
      await table.insert([message(1)]);
      await reopenStore(store);
      await reopenStore(store);
      expect(await table.insert([message(1), message(2)])).toBe(1);
      expect(await countOf(table, 'bob')).toBe(2);
    });

    it('says of a broken constraint that nothing was changed, and goes on', async () => {
      const failure = await table.insert([{ ...message(1), sentAt: null as never }]).catch((error: unknown) => error);
      expect(faultOf(failure)).toBe('refused');
      expect(await table.insert([message(1)])).toBe(1);
    });

    it('has the tables that the entities describe', async () => {
      const { upQueries } = await store.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
      for (const _migration of migrations) await store.undoLastMigration();
      await store.runMigrations();
      expect(await countOf(table, 'bob')).toBe(0);
    });

    it('keeps what waits when its structure changes, back and forth', async () => {
      await table.insert([message(1)]);
      for (let undone = 1; undone < migrations.length; undone += 1) {
        for (let n = 0; n < undone; n += 1) await store.undoLastMigration();
        await store.query(
          `INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
           VALUES ('bob', ${undone + 1}, 'ann', 'm${undone + 1}', 'x', 1, ${undone + 1}, 1)`, // As an earlier version did.
        );
        await store.runMigrations();
      }
      table = await ownedTable(store);
      const kept = (await table.page(BOB, 0, ALL, 99, ALL)).map((row) => row.position);
      expect(kept).toEqual(migrations.map((_migration, n) => n + 1));
      expect(await table.insert([{ ...message(99), id: message(1).id }])).toBe(0);
    });
  });

  it('refuses a database that a newer version made', async () => {
    const url = await kind.create();
    const store = await openStore(storeOptions(url));
    await store.query(
      `INSERT INTO holdfast_migrations (timestamp, name) VALUES (9999999999999, 'AddStars9999999999999')`,
    );
    await store.destroy();
    await expect(openStore(storeOptions(url))).rejects.toThrow(
      /was made by a newer version of Holdfast \(it has AddStars9999999999999\)/,
    );
  });

  it('opens a database to which a newer version has only added', async () => {
    const url = await kind.create();
    const store = await openStore(storeOptions(url));
    await store.query('ALTER TABLE holdfast_offline_message ADD COLUMN stars integer');
    await store.query(
      `INSERT INTO holdfast_migrations (timestamp, name) VALUES (9999999999999, 'AdditiveStars9999999999999')`,
    );
    await store.destroy();
    const again = await openStore(storeOptions(url));
    const table = await ownedTable(again);
    expect(await table.insert([message(1)])).toBe(1);
    expect(await table.page(BOB, 0, ALL, 99, ALL)).toHaveLength(1);
    expect(await table.remove([message(1)])).toBe(1);
    await again.destroy();
  });

  it('serves one server, and the next when that has ended', async () => {
    const url = await kind.create();
    const store = await openStore(storeOptions(url));
    await expect(openStore(storeOptions(url))).rejects.toThrow(/another Holdfast/i);
    await reopenStore(store);
    await expect(openStore(storeOptions(url))).rejects.toThrow(/another Holdfast/i);
    await store.destroy();
    await (await openStore(storeOptions(url))).destroy();
  });

  it('takes a data source as an application gives it, whatever that says of tables', async () => {
    const { type, database, url } = storeOptions(await kind.create()) as unknown as Record<string, string>;
    const given = {
      type,
      ...(url ? { url } : { database }),
      synchronize: true,
      dropSchema: true,
      entities: [],
      migrations: [],
    };
    for (const expected of [0, 1]) {
      const store = await openStore(given as never);
      const table = await ownedTable(store);
      expect(await countOf(table, 'bob')).toBe(expected);
      await table.insert([message(1)]);
      await store.destroy();
    }
  });

  it('carries the whole relay: messages wait, over a restart, in order, and are purged', async () => {
    let chat = await ChatApp.start({}, undefined, await kind.create());
    try {
      const alice = await chat.connectJson('alice');
      for (const [n, content] of HOSTILE.entries()) {
        alice.sendJson('send', { to: 'bob', content, id: `h${n}` });
        alice.sendJson('send', { to: 'zoë', content, id: `z${n}` });
      }
      await chat.untilTotals({ pending: 2 * HOSTILE.length });
      alice.sendJson('send', { to: 'bob', content: 'once', id: 'h0' });
      alice.sendJson('ping', {});
      await alice.until('pong');
      const pending = HOSTILE.length;
      chat = await chat.restart();
      expect((await chat.rest('GET', '/chat/pending?limit=1')).body).toMatchObject({
        items: [{ user: 'bob', count: pending }],
        total: 2,
      });
      const { body } = await chat.rest('GET', '/chat/pending/bob?limit=100');
      expect((body.items as { content?: string; id: string }[]).map(({ id }) => id)).toEqual(
        HOSTILE.map((_, n) => `h${n}`),
      );

      const bob = await chat.connectJson('bob');
      for (const [n, content] of HOSTILE.entries()) {
        expect((await bob.until('message')).data).toMatchObject({ seq: n + 1, id: `h${n}`, content, stored: true });
      }
      bob.sendJson('ack', { seq: pending });
      await chat.untilPending('bob', 0);
      expect((await chat.rest('DELETE', `/chat/pending/${encodeURIComponent('zoë')}`)).body).toEqual({
        purged: pending,
      });
      for (const [path, position] of Object.entries({
        pending: { total: 1.5, user: '\0' },
        'pending/bob': { position: 1.5, total: 1 },
      })) {
        const cursor = Buffer.from(JSON.stringify(position)).toString('base64url');
        expect((await chat.rest('GET', `/chat/${path}?cursor=${cursor}`)).status).toBe(400);
      }
      expect((await chat.rest('GET', '/health/ready')).status).toBe(200);
      await chat.untilTotals({ confirmed: pending, purged: pending, pending: 0 });
    } finally {
      await chat.dispose();
    }
  });
});

async function countOf(table: OfflineMessageTable, user: string): Promise<number> {
  return (await table.counts([mailboxKeyOf(user)])).get(mailboxKeyOf(user)) ?? 0;
}

/** The key of the mailbox of this user. */
function lies(to: string): Pick<StoredMessage, 'mailbox' | 'to'> {
  return { mailbox: mailboxKeyOf(to), to };
}

function message(position: number): StoredMessage {
  return {
    ...lies('bob'),
    from: 'ann',
    id: `m${position}`,
    content: 'x',
    position,
    bytes: 1,
    sentAt: position,
    storedAt: 1,
  };
}

/** All code points except the surrogates, in texts of 65,536 characters. */
function everyCodePoint(): string[] {
  const texts: string[] = [];
  for (let plane = 0; plane <= 0x10; plane += 1) {
    let text = '';
    for (let low = 0; low <= 0xffff; low += 1) {
      const codePoint = plane * 0x1_0000 + low;
      if (codePoint < 0xd800 || codePoint > 0xdfff) text += String.fromCodePoint(codePoint);
    }
    texts.push(text);
  }
  return texts;
}
