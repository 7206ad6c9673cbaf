import { DataSource, type DataSourceOptions } from 'typeorm';
import { openStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { storeMigrations } from '../../../src/index.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { PostgresServer } from '../../support/postgres-server.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.dispose());

let url: string;
const apps: ChatApp[] = [];
beforeEach(async () => {
  url = await server.createDatabase();
});
afterEach(async () => {
  for (const app of apps.splice(0)) await app.dispose();
});

const start = async (databaseUrl: string) => {
  const chat = await ChatApp.start({}, undefined, databaseUrl);
  apps.push(chat);
  return chat;
};
const inSchema = (schema: string) => `${url}&schema=${encodeURIComponent(schema)}`;
const send = async (chat: ChatApp, content: string) =>
  expect((await chat.rest('POST', '/chat/messages', { from: 'alice', to: 'bob', content })).status).toBe(201);
const waiting = async (chat: ChatApp): Promise<string[]> =>
  (await chat.rest('GET', '/chat/pending/bob')).body.items.map(({ content }: { content: string }) => content);
/** The schemas that have tables of the store, seen from outside. */
const schemas = async (): Promise<string[]> => {
  const rows = await server.query(
    `SELECT DISTINCT table_schema AS name FROM information_schema.tables WHERE table_name LIKE 'holdfast%' ORDER BY 1`,
    url,
  );
  return rows.map(({ name }) => name);
};
const refusal = async (options: DataSourceOptions): Promise<string> => {
  const outcome = await openStore(options).then(
    (dataSource) => dataSource.destroy(),
    (error: Error) => error,
  );
  if (outcome instanceof Error && outcome.name === 'StoreError') return outcome.message;
  throw new Error(`it was not refused: ${String(outcome)}`);
};

describe('a schema of Postgres', () => {
  it('has all of the store that is told so, and the others nothing of it', async () => {
    const chats = [await start(url), await start(inSchema('a')), await start(inSchema('b'))];
    for (const [n, chat] of chats.entries()) await send(chat, `of chat ${n}`);
    for (const [n, chat] of chats.entries()) expect(await waiting(chat)).toEqual([`of chat ${n}`]);
    expect(await schemas()).toEqual(['a', 'b', 'public']);
    const bob = await chats[2]!.connect('bob');
    expect(await bob.next()).toMatch(/:of chat 2$/);
    await chats[2]!.untilPending('bob', 0);
    await chats[1]!.stop();
    apps.splice(1, 1);
    expect(await waiting(await start(inSchema('a')))).toEqual(['of chat 1']);
    expect(await waiting(chats[0]!)).toEqual(['of chat 0']);
  });

  it.each(['Chat', 'select', 'a.b', ' my own ', 'für uns', '100%', '{a,b}', 'a-b', 'x'.repeat(63)])(
    'may be named %j, and is made when it is missing',
    async (schema) => {
      const options = { type: 'postgres', url, schema } as const;
      for (let round = 0; round < 2; round += 1) await (await openStore(options)).destroy();
      expect(await schemas()).toEqual([schema]);
    },
  );

  it('is entered anew with every connection, and never made again', async () => {
    const chat = await start(inSchema('kept'));
    await start(url);
    await send(chat, 'before');
    const cut = () =>
      server.query(
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'holdfast'`,
        url,
      );
    await cut();
    await eventually(async () => (await waiting(chat).catch(() => [])).length === 1);
    await send(chat, 'after');
    expect(await waiting(chat)).toEqual(['before', 'after']);
    await server.query('ALTER SCHEMA kept RENAME TO moved', url);
    await cut();
    await eventually(
      async () => (await chat.rest('POST', '/chat/messages', { from: 'a', to: 'b', content: 'x' })).status === 503,
    );
    expect(await schemas()).toEqual(['moved', 'public']);
    await server.query('ALTER SCHEMA moved RENAME TO kept', url);
    await eventually(async () => (await chat.rest('GET', '/health/ready')).status === 200);
    expect(await waiting(chat)).toEqual(['before', 'after']);
  });

  it('that the search path leads to is used, and none is refused', async () => {
    await server.query('CREATE SCHEMA other', url);
    await (await openStore(storeOptions(`${url}&options=${encodeURIComponent('-c search_path=other')}`))).destroy();
    expect(await schemas()).toEqual(['other']);
    expect(await refusal(storeOptions(`${url}&options=${encodeURIComponent('-c search_path=nowhere')}`))).toMatch(
      /^There is no schema for the store that this role may use; GRANT USAGE/,
    );
  });

  it.each([
    [{ schema: '' }, /^The schema of the store is ''; give the name/],
    [{ schema: 7 }, /^The schema of the store is 7;/],
    [{ schema: '$user' }, /^The schema of the store is '\$user';/],
    [{ schema: 'a"; DROP TABLE x; --' }, /^The schema of the store is /],
    [{ schema: "o'clock" }, /^The schema of the store is /],
    [{ schema: 'x'.repeat(64) }, /^The schema of the store is 'x+';/],
    [{ schema: 'pg_mine' }, /^There is no schema 'pg_mine', and it can't be made: unacceptable schema name/],
    [{ entityPrefix: 'app_' }, /^The store can't be given entityPrefix: .* Leave it out of database\.$/],
    [{ namingStrategy: {} }, /^The store can't be given namingStrategy: /],
    [{ replication: { master: {}, slaves: [] } }, /^The store can't be given replication: /],
  ])('is not what %j says', async (options, problem) => {
    expect(await refusal({ type: 'postgres', url, ...options } as DataSourceOptions)).toMatch(problem);
    expect(await schemas()).toEqual([]);
  });

  it.each(['', "o'clock"])('is not %j in an address, either', async (schema) => {
    expect(await refusal(storeOptions(inSchema(schema)))).toMatch(/^The schema of the store is /);
  });

  it('is nothing that SQLite has', async () => {
    const options = { type: 'better-sqlite3', database: ':memory:', schema: 'a' } as DataSourceOptions;
    expect(await refusal(options)).toMatch(/^The store can't be given schema: SQLite has none/);
  });
});

describe('a role that may not make tables', () => {
  const GRANTS = `
    GRANT USAGE ON SCHEMA chat TO clerk;
    GRANT SELECT ON chat.holdfast_migrations TO clerk;
    GRANT SELECT, INSERT, DELETE ON chat.holdfast_offline_message TO clerk;
    GRANT SELECT, INSERT, UPDATE ON chat.holdfast_store TO clerk;
    GRANT SELECT, INSERT, UPDATE, DELETE ON chat.holdfast_last_seen TO clerk`;
  const ofClerk = () => inSchema('chat').replace(/\/\/[^@]*@/, '//clerk:clerk@');

  beforeAll(() => server.query(`CREATE ROLE clerk LOGIN PASSWORD 'clerk'`));

  /** Runs the migrations as the pipeline of an application does, which has its own migrations too. */
  const migrate = async () => {
    await server.query('CREATE SCHEMA chat', url);
    const pipeline = await new DataSource({ type: 'postgres', url, schema: 'chat', ...storeMigrations }).initialize();
    await pipeline.runMigrations();
    await pipeline.destroy();
  };

  it('runs the chat when its tables are made, with what the operations page grants', async () => {
    await migrate();
    await server.query(GRANTS, url);
    const chat = await start(ofClerk());
    await send(chat, 'one');
    await send(chat, 'two');
    const bob = await chat.connect('bob');
    expect((await bob.take(2)).map((text) => text.slice(-3))).toEqual(['one', 'two']);
    await chat.untilPending('bob', 0);
    await send(chat, 'three');
    expect((await chat.rest('DELETE', '/chat/pending/bob')).body).toEqual({ purged: expect.any(Number) });
    await bob.close();
    await chat.untilOffline('bob');
    const store = chat.app.get(OfflineMessageService);
    await store.lastSeen.close(() => true); // As at the end of the server.
    await store.expire(0);
    expect((await chat.rest('GET', '/chat/users/bob')).body.lastSeenAt).not.toBeNull();
    expect(store.lastSeen['unsaved'].size).toBe(0);
    expect((await chat.rest('GET', '/health/ready')).status).toBe(200);
    const [{ count }] = await server.query('SELECT COUNT(*)::int AS count FROM chat.holdfast_migrations', url);
    expect(count).toBe(storeMigrations.migrations.length);
  });

  it('is told what it lacks', async () => {
    expect(await refusal(storeOptions(ofClerk()))).toMatch(
      /^There is no schema 'chat', and it can't be made: permission denied for database \w+; make it\.$/,
    );
    await migrate();
    expect(await refusal(storeOptions(ofClerk()))).toMatch(/^There is no schema for the store that this role may use;/);
    await server.query('GRANT USAGE ON SCHEMA chat TO clerk', url);
    expect(await refusal(storeOptions(ofClerk()))).toMatch(
      /permission denied for schema chat; grant this role what the store needs, or have another one make its tables/,
    );
    expect(await schemas()).toEqual(['chat']);
  });
});
