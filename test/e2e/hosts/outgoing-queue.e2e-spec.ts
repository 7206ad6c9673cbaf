import { jest } from '@jest/globals';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { outgoing, outgoingMigrations, type ChatModuleOptions } from '../../../src/index.js';
import { eventually } from '../../support/deadline.js';
import { catchLogLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { DeliveryService } from '../../../src/delivery/delivery.service.js';
import { errors } from '../../../src/protocol/chat-error.js';
import { PostgresServer } from '../../support/postgres-server.js';
import { Shop, toBob } from '../../support/shop.js';

let server: PostgresServer;
let database: DataSourceOptions & { url: string };
let shop: Shop | null = null;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.dispose());
beforeEach(async () => {
  database = { type: 'postgres', url: await server.createDatabase() };
});
afterEach(async () => {
  jest.restoreAllMocks();
  await shop?.close();
  shop = null;
});

const start = async (options?: ChatModuleOptions, clock?: ManualClock) =>
  (shop = await Shop.start(database, options, clock));

describe('what waits to be sent', () => {
  it('is held up with its own recipient only, when the chat refuses it for now', async () => {
    await start({ maxPendingPerUser: 2 });
    const send = jest.spyOn(shop!.host.app.get(DeliveryService), 'send');
    await shop!.order(['1', '2', '3', '4'].map((content) => toBob(content)));
    await shop!.untilSent(2);
    await shop!.order([toBob('to somebody else', { to: 'ann' }), toBob('5')]);
    await shop!.untilSent(3);
    expect(await shop!.waiting('ann')).toEqual(['to somebody else']);
    // The third is not tried again before its time.
    expect(send.mock.calls.map(([{ content }]) => content)).toEqual(['1', '2', '3', 'to somebody else']);

    const bob = await shop!.host.connect('bob', { protocol: 'json' });
    const came: string[] = [];
    while (came.length < 5) {
      const { data } = await bob.until('message');
      came.push(data.content);
      bob.sendJson('ack', { seq: data.seq });
      if (came.length === 2) await shop!.untilSentLater();
    }
    expect(came).toEqual(['1', '2', '3', '4', '5']);
  });

  it('keeps its order when the first is refused for now, and the next would not be', async () => {
    await start();
    jest.spyOn(shop!.host.app.get(DeliveryService), 'send').mockImplementationOnce(() => {
      throw errors.mailboxFull();
    });
    await shop!.order([toBob('1'), toBob('2'), toBob('3')]);
    await shop!.untilSentLater();
    expect(await shop!.waiting('bob')).toEqual(['1', '2', '3']);
  });

  it('is tried again as a whole while the store is not there', async () => {
    await start();
    const failed = jest.spyOn(shop!.host.app.get(DeliveryService), 'send').mockImplementation(() => {
      throw errors.notStored(new Error('EIO'));
    });
    await shop!.order([toBob('1'), toBob('2'), toBob('3', { to: 'ann' })]);
    await eventually(() => failed.mock.calls.length >= 2);
    failed.mockRestore();
    await shop!.untilSentLater();
    expect([await shop!.waiting('bob'), await shop!.waiting('ann')]).toEqual([['1', '2'], ['3']]);
  });

  it('ends with a line in the log and an event when it can never be accepted', async () => {
    const lines = catchLogLines();
    await start({ maxContentBytes: 10 });
    for (const content of ['far too long for this chat', 'short']) {
      const statement = outgoing(toBob(content, { id: content.slice(0, 3) }));
      await shop!.dataSource.query(statement.sql, statement.parameters);
    }
    await shop!.untilSentLater();
    expect(await shop!.waiting('bob')).toEqual(['short']);
    await eventually(() => shop!.refusals.length > 0);
    expect(shop!.refusals).toEqual([{ id: 'far', from: 'shop', to: 'bob', reason: 'CONTENT_TOO_LARGE' }]);
    expect(lines.filter((line) => line.includes('without being sent'))).toEqual([
      expect.stringMatching(/^error Outgoing: .*has 26 bytes and may have 10.*\(CONTENT_TOO_LARGE\)\.$/),
    ]);
  });

  it('is sent after a restart, unless its time to live is over', async () => {
    const clock = new ManualClock();
    await start({}, clock);
    await shop!.close();
    const other = await new DataSource(database).initialize();
    for (const [content, ttl] of [
      ['for a while', undefined],
      ['for a minute', 60],
      ['for an hour', 3600],
    ] as const) {
      const { sql: text, parameters } = outgoing(toBob(content, { ttl, id: content.replaceAll(' ', '-') }));
      await other.query(text, parameters);
    }
    await other.destroy();
    clock.setBy(Date.now() + 120_000 - clock.now());
    await start({}, clock);
    await shop!.untilSent();
    expect(await shop!.waiting('bob')).toEqual(['for a while', 'for an hour']);
    expect(shop!.refusals).toEqual([{ id: 'for-a-minute', from: 'shop', to: 'bob', reason: 'EXPIRED' }]);
  });

  it('is taken by one process, and by the next one when that has gone', async () => {
    const first = await start();
    const second = await Shop.start(database);
    try {
      await second.order([toBob('from another process')]);
      await first.untilSentLater(); // A look of its start may still be under way.
      expect([await first.waiting('bob'), await second.waiting('bob')]).toEqual([['from another process'], []]);
      await first.close();
      shop = second;
      await second.order([toBob('taken over')]);
      await second.untilSentLater();
      expect(await second.waiting('bob')).toEqual(['taken over']);
    } finally {
      shop = second;
    }
  });

  it('is removed with the user who is erased, whichever process takes the messages', async () => {
    await start();
    const second = await Shop.start(database);
    try {
      const later = new Date(shop!.clock.now() + 60_000);
      await second.order([
        toBob('to bob', { notBefore: later }),
        toBob('from bob', { from: 'bob', to: 'ann', notBefore: later }),
        toBob('of others', { to: 'ann', notBefore: later }),
      ]);
      expect(await second.chat.erase('bob', { authored: 'blank' })).toMatchObject({ done: true });
      const left = await shop!.dataSource.query<{ content: string }[]>('SELECT content FROM holdfast_outgoing');
      expect(left.map(({ content }) => content)).toEqual(['of others']);
    } finally {
      await second.close();
    }
  });

  it('goes on after the connection was lost', async () => {
    await start();
    await server.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast outgoing'
       AND datname = '${new URL(database.url).pathname.slice(1)}'`,
    );
    await shop!.order([toBob('after all')]);
    await shop!.untilSentLater();
    expect(await shop!.waiting('bob')).toEqual(['after all']);
  });
});

describe('the start', () => {
  const refusal = async (options: ChatModuleOptions, of: DataSourceOptions = database) => {
    try {
      shop = await Shop.start(of, options);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('it was not refused');
  };
  const sqlite: DataSourceOptions = { type: 'sqlite', database: ':memory:' };

  it('is refused for a data source on SQLite, whose transactions could mix', async () => {
    expect(await refusal({}, sqlite)).toBe(
      "ChatModule option outgoing.dataSource is on SQLite, where TypeORM has one connection, and transactions that overlap become one; give transactions: 'one-at-a-time' if yours never overlap, or use Postgres.",
    );
  });

  it.each<[object, RegExp]>([
    [{ dataSource: 'orders' }, /outgoing\.dataSource is 'orders', and TypeOrmModule has no data source of that name/],
    [{ dataSource: 'default', database: 'sqlite:x' }, /outgoing has a dataSource and a database; give one of them/],
    [{ transactions: 'always' }, /outgoing\.transactions is 'always'; give 'one-at-a-time'/],
    [{ table: 'mine' }, /outgoing\.table is not known; known are dataSource, database, transactions/],
    [{ database: { type: 'mysql' } }, /outgoing\.database is on mysql; give one on postgres/],
    [{ database: sqlite }, /outgoing\.database is in memory; give the file/],
  ])('is refused for %j', async (wrong, sentence) => {
    expect(await refusal({ outgoing: wrong as ChatModuleOptions['outgoing'] })).toMatch(sentence);
  });

  it('is refused when the table is not there, and says which migration makes it', async () => {
    const empty = await server.createDatabase();
    expect(await refusal({ outgoing: { database: empty } })).toMatch(
      /^The table holdfast_outgoing can't be used \(.*does not exist\); add outgoingMigrations to the migrations/,
    );
  });

  it('opens nothing and looks at nothing without the option, and says what is missing when it is used', async () => {
    const { chat, clock } = await start({ outgoing: undefined });
    expect(shop!.dataSource.subscribers).toEqual([]);
    const [row] = (await server.query(
      `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast outgoing'
       AND datname = '${new URL(database.url).pathname.slice(1)}'`,
    )) as { count: string }[];
    expect(row).toEqual({ count: '0' });
    const alarms = clock.pendingAlarms;
    await expect(
      shop!.dataSource.transaction((manager) => chat.sendInTransaction(manager, toBob('x'))),
    ).rejects.toThrow(
      "ChatModule option outgoing is not given; give { dataSource: 'default' } and run outgoingMigrations",
    );
    expect(clock.pendingAlarms).toBe(alarms);
  });

  it('of an application whose migration is taken back leaves no table', async () => {
    const dataSource = await new DataSource({ ...database, migrations: outgoingMigrations }).initialize();
    await dataSource.runMigrations();
    await dataSource.undoLastMigration();
    expect(await dataSource.query("SELECT 1 FROM pg_tables WHERE tablename = 'holdfast_outgoing'")).toEqual([]);
    await dataSource.destroy();
  });
});
