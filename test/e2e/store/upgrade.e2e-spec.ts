import { jest } from '@jest/globals';
import { DataSource } from 'typeorm';
import { migrations } from '../../../src/database/migrations/index.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { ChatApp } from '../../support/chat-app.js';
import { DATABASE_KINDS } from '../../support/databases.js';

/** Messages that wait in the older store: UPGRADE_ROWS=1000000 is what an update of a large server finds. */
const ROWS = Number(process.env['UPGRADE_ROWS'] ?? 20_000);
jest.setTimeout(30_000 + ROWS / 5);

/** The last migration of the older version. All behind it are new, whichever they are. */
const LAST_OLD = 'CreateStoreState1795688566123';
const OLDER = migrations.slice(0, migrations.findIndex(({ name }) => name === LAST_OLD) + 1);
const ROWS_OF_USER = 20;
const USERS = ROWS / ROWS_OF_USER;
const ROWS_AT_ONCE = 20_000;
/** The columns that the older version reads, and what its rows say in one number. */
const OLD_COLUMNS = 'recipient, position, sender, id, content, bytes, "sentAt", "storedAt"';

describe.each(DATABASE_KINDS)(`a store of the version before with ${ROWS} messages, on %s`, (_name, makeKind) => {
  const kind = makeKind();
  let url: string;
  let chat: ChatApp;
  beforeEach(async () => {
    url = await kind.create();
    await withStore(OLDER, async (store) => {
      await store.runMigrations();
      await store.query(
        `INSERT INTO holdfast_store (id, owner, "lastPosition", "sweepAfter") VALUES (1, 'older', ${ROWS}, 0)`,
      );
      for (let done = 0; done < ROWS; done += ROWS_AT_ONCE)
        await fill(store, done + 1, Math.min(done + ROWS_AT_ONCE, ROWS));
    });
  });
  afterEach(() => chat.dispose());
  afterAll(() => kind.dispose());

  async function withStore<Result>(
    known: typeof migrations,
    work: (store: DataSource) => Promise<Result>,
  ): Promise<Result> {
    const store = new DataSource({ ...storeOptions(url), entities: [], migrations: known });
    await store.initialize();
    try {
      return await work(store);
    } finally {
      await store.destroy();
    }
  }

  const fill = (store: DataSource, from: number, to: number) =>
    store.query(
      `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})
       INSERT INTO holdfast_offline_message (${OLD_COLUMNS})
       SELECT 'user-' || (i % ${USERS}), i, 'ann', 'm' || i, 'content of ' || i, 10 + LENGTH('' || i), i, ${Date.now()} FROM n`,
    );

  /** Takes back what the older version does not know, as `migration:revert` does. */
  const goBack = () =>
    withStore(migrations, async (store) => {
      for (const _migration of migrations.slice(OLDER.length)) await store.undoLastMigration();
    });

  const structure = () =>
    withStore([], async (store) => {
      const isPostgres = store.options.type === 'postgres';
      return store.query(isPostgres ? POSTGRES_STRUCTURE : SQLITE_STRUCTURE) as Promise<unknown[]>;
    });

  /** Reads a mailbox as a client does, and confirms all of it. */
  async function readAll(user: string): Promise<string[]> {
    const expected = await chat.delivery.pendingOf(user);
    const client = await chat.connectJson(user);
    const contents: string[] = [];
    while (contents.length < expected) {
      const { data } = await client.until('message');
      contents.push(data.content);
      client.sendJson('ack', { seq: data.seq });
    }
    await chat.untilPending(user, 0);
    return contents;
  }

  const contentsOf = (user: number) => Array.from({ length: ROWS_OF_USER }, (_, n) => `content of ${user + n * USERS}`);

  it('is updated and delivered; it goes back with what waits, and is updated again', async () => {
    const before = await structure();
    chat = await ChatApp.start({}, undefined, url);
    expect(chat.delivery.totals).toMatchObject({ pending: ROWS, recovered: ROWS });
    expect(await readAll('user-7')).toEqual(contentsOf(7));
    const alice = await chat.connectJson('alice');
    const extras = { meta: { image: 'https://example.com/cat.png' }, ttl: 3_600, topic: 'cat', urgency: 'high' };
    alice.sendJson('send', { to: 'user-8', content: 'of the new version', ...extras });
    await alice.until('receipts');
    await chat.stop();

    await goBack();
    expect(await structure()).toEqual(before);
    const left = await withStore(OLDER, async (store) => {
      expect(await store.showMigrations()).toBe(false);
      // As the older version reads and writes it.
      await store.query(
        `INSERT INTO holdfast_offline_message (${OLD_COLUMNS}) VALUES ('user-8', ${ROWS + 2 ** 22}, 'ann', 'late', 'of the old version', 18, 1, ${Date.now()})`,
      );
      return store.query(`SELECT content FROM holdfast_offline_message WHERE recipient = 'user-8' ORDER BY position`);
    });
    const ofUser8 = [...contentsOf(8), 'of the new version', 'of the old version'];
    expect((left as { content: string }[]).map(({ content }) => content)).toEqual(ofUser8);

    chat = await ChatApp.start({}, undefined, url);
    expect(chat.delivery.totals).toMatchObject({ pending: ROWS - contentsOf(7).length + 2 });
    expect(await readAll('user-8')).toEqual(ofUser8);
  });
});

const SQLITE_STRUCTURE = `
  SELECT t.name AS "table", c.name AS "column", c.type, c."notnull", c.pk FROM sqlite_master t, pragma_table_info(t.name) c
  WHERE t.type = 'table' AND t.name LIKE 'holdfast%'
  UNION ALL SELECT t.name, i.name, c.name, i."unique", c.seqno FROM sqlite_master t, pragma_index_list(t.name) i,
    pragma_index_info(i.name) c WHERE t.type = 'table' AND t.name LIKE 'holdfast%' ORDER BY 1, 2, 3`;

const POSTGRES_STRUCTURE = `
  SELECT table_name AS "table", column_name AS name, data_type || is_nullable || COALESCE(character_maximum_length, 0) AS what
  FROM information_schema.columns WHERE table_name LIKE 'holdfast%'
  UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'holdfast%' ORDER BY 1, 2, 3`;
