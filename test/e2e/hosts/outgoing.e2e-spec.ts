import { jest } from '@jest/globals';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { ChatException, outgoing, type ChatModuleOptions } from '../../../src/index.js';
import { eventually } from '../../support/deadline.js';
import { DeliveryService } from '../../../src/delivery/delivery.service.js';
import { OutgoingService as OUTGOING } from '../../../src/outgoing/outgoing.service.js';
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

const start = async (options?: ChatModuleOptions) => (shop = await Shop.start(database, options));

const failing = async () => {
  throw new Error('no stock');
};

describe('a message in a transaction on Postgres', () => {
  it('is accepted after the commit, and never was after a rollback', async () => {
    const { chat } = await start();
    await expect(shop!.order([toBob('phantom')], failing)).rejects.toThrow('no stock');
    await shop!.dataSource.transaction(async (manager) => {
      expect(await chat.sendInTransaction(manager, toBob('saved', { id: 'order-7' }))).toBe('order-7');
      expect(await chat.sendInTransaction(manager, toBob('by an id of its own'))).toMatch(/^[\w-]{36}$/);
      expect(await shop!.waiting('bob')).toEqual([]);
    });
    await shop!.untilSent();
    expect(await shop!.waiting('bob')).toEqual(['saved', 'by an id of its own']);
  });

  it('is not what `send` sends there, which is out whatever becomes of the transaction', async () => {
    const { chat } = await start();
    const phantom = shop!.order([], async () => {
      await chat.send(toBob('phantom'));
      await failing();
    });
    await expect(phantom).rejects.toThrow('no stock');
    expect(await shop!.waiting('bob')).toEqual(['phantom']);
  });

  it('is not sent by the commit of a savepoint inside, and is gone with a savepoint that is rolled back', async () => {
    await start();
    const wake = jest.spyOn(shop!.host.app.get(OUTGOING)['queue']!, 'wake');
    await shop!.dataSource.transaction(async (manager) => {
      await manager.transaction(async (inner) => {
        await shop!.chat.sendInTransaction(inner, toBob('inside'));
      });
      expect(wake).not.toHaveBeenCalled();
      const rolledBack = manager.transaction(async (inner) => {
        await shop!.chat.sendInTransaction(inner, toBob('phantom'));
        await failing();
      });
      await expect(rolledBack).rejects.toThrow('no stock');
      shop!.clock.advance(1_000); // Even a look at the table does not see it before the commit.
      await shop!.order([toBob('marker', { to: 'ann' })]);
      await eventually(async () => (await shop!.waiting('ann')).length === 1);
      expect(await shop!.waiting('bob')).toEqual([]);
    });
    await shop!.untilSent();
    expect(await shop!.waiting('bob')).toEqual(['inside']);
  });

  it('keeps the order in which one sender wrote to one recipient, however many there are', async () => {
    await start({ maxPendingPerSender: null });
    const contents = Array.from({ length: 600 }, (_, index) => String(index));
    const send = jest.spyOn(shop!.host.app.get(DeliveryService), 'send');
    await shop!.order(contents.flatMap((content) => [toBob(content), toBob(content, { to: `user-${content}` })]));
    await shop!.untilSent();
    expect(await shop!.waiting('bob')).toEqual(contents);
    expect(await shop!.waiting('user-599')).toEqual(['599']);
    expect(send).toHaveBeenCalledTimes(1_200);
  });

  it('brings every character, the extras, and nothing twice', async () => {
    const { chat } = await start();
    const message = toBob('\0\x01 \u{1F600} $1 ? %', { id: 'once', urgency: 'high', meta: { order: 7, text: '\0' } });
    await shop!.order([message, message]);
    await shop!.untilSent();
    await shop!.order([message]);
    await shop!.untilSent();
    expect(await chat.pending('bob')).toBe(1);
    expect(await shop!.waiting('bob')).toEqual([message.content]);
    const bob = await shop!.host.connect('bob', { protocol: 'json' });
    const { id, content, urgency, meta } = message;
    expect((await bob.nextJson('message')).data).toMatchObject({ id, content, urgency, meta });
  });

  it.each<[string, object, string]>([
    ['a name', { to: 'a|b' }, 'BAD_RECIPIENT'],
    ['content that is too long', { content: 'x'.repeat(65_537) }, 'CONTENT_TOO_LARGE'],
    ['meta', { meta: [] }, 'BAD_FRAME'],
    ['an id', { id: 'a b' }, 'BAD_FRAME'],
    ['a time', { notBefore: new Date(Number.NaN) }, 'BAD_FRAME'],
  ])('fails in the transaction for %s that is not valid, before a row is written', async (_what, more, code) => {
    const { chat } = await start();
    await shop!.dataSource.transaction(async (manager) => {
      const refused = await chat.sendInTransaction(manager, toBob('x', more)).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ChatException);
      expect(refused).toMatchObject({ code, temporary: false });
      expect(() => outgoing(toBob('x', more))).toThrow(ChatException);
      expect(await manager.query('SELECT 1 FROM holdfast_outgoing')).toEqual([]);
    });
  });

  it('needs a transaction, of the data source that is looked at', async () => {
    const { chat, dataSource } = await start();
    await expect(chat.sendInTransaction(dataSource.manager, toBob('x'))).rejects.toThrow(/has no open transaction/);
    const other = await new DataSource(database).initialize();
    try {
      const lost = other.transaction((manager) => chat.sendInTransaction(manager, toBob('x')));
      await expect(lost).rejects.toThrow(/another data source/);
    } finally {
      await other.destroy();
    }
  });

  it('is refused when 100,000 wait, which the transaction learns', async () => {
    const { chat, clock } = await start();
    const notBefore = clock.now() + 3_600_000; // What is due is sent, which makes room at any moment.
    await shop!.dataSource.query(
      `INSERT INTO holdfast_outgoing (sender, recipient, id, content, "notBefore")
       SELECT 'shop', 'user-' || n, 'x', 'x', $1 FROM generate_series(1, 99999) AS n`,
      [notBefore],
    );
    await shop!.order([toBob('the last', { id: 'last', notBefore })]);
    await expect(shop!.order([toBob('one more', { notBefore })])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      temporary: true,
    });
    expect(await chat.cancelScheduled({ from: 'shop', to: 'bob', id: 'last' })).toBe(true);
    await shop!.order([toBob('there is room again', { notBefore })]);
    expect(await shop!.rows()).toBe(100_000);
  });
});

describe('a scheduled message', () => {
  it('is sent when its time has come, and not before', async () => {
    const { clock } = await start();
    await shop!.order([
      toBob('in a minute', { notBefore: new Date(clock.now() + 60_000) }),
      toBob('long due', { notBefore: clock.now() - 1 }),
      toBob('now'),
    ]);
    await shop!.untilSent(1);
    expect(await shop!.waiting('bob')).toEqual(['long due', 'now']);
    clock.advance(59_000);
    await shop!.order([toBob('marker', { to: 'ann' })]);
    await eventually(async () => (await shop!.waiting('ann')).length === 1);
    expect(await shop!.waiting('bob')).toEqual(['long due', 'now']);
    await shop!.untilSentLater();
    expect((await shop!.waiting('bob')).at(-1)).toBe('in a minute');
  });

  it('can be cancelled while it is not due, with a transaction or without', async () => {
    const { chat, clock } = await start();
    const scheduled = { from: 'shop', to: 'bob', id: 'reminder' };
    const remind = () => shop!.order([{ ...scheduled, content: 'soon', notBefore: clock.now() + 60_000 }]);
    await remind();
    expect([await chat.cancelScheduled(scheduled), await chat.cancelScheduled(scheduled)]).toEqual([true, false]);
    await remind();
    const kept = shop!.order([], async (manager) => {
      expect(await chat.cancelScheduled(scheduled, manager)).toBe(true);
      await failing();
    });
    await expect(kept).rejects.toThrow('no stock');
    expect(await chat.cancelScheduled(scheduled)).toBe(true);
    await remind();
    clock.advance(60_000);
    await shop!.untilSentLater();
    expect(await chat.cancelScheduled(scheduled)).toBe(false);
    expect(await shop!.waiting('bob')).toEqual(['soon']);
  });

  it('is not sent while a transaction is about to cancel it, however long that takes', async () => {
    const { chat, clock } = await start();
    const scheduled = { from: 'shop', to: 'bob', id: 'reminder' };
    await shop!.order([{ ...scheduled, content: 'soon', notBefore: clock.now() + 1_000 }]);
    await shop!.order([], async (manager) => {
      expect(await chat.cancelScheduled(scheduled, manager)).toBe(true);
      clock.advance(5_000);
      await shop!.order([toBob('marker', { to: 'ann' })]);
      await eventually(async () => (await shop!.waiting('ann')).length === 1);
    });
    await shop!.untilSentLater();
    expect(await shop!.waiting('bob')).toEqual([]);
  });
});

describe('a transaction of another library', () => {
  let other: DataSource;
  beforeEach(async () => {
    other = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  });
  afterEach(() => other.destroy());

  it('of Drizzle sends by the template, and of pg, Prisma and Knex by the text', async () => {
    // The SQL of docs/embedding.md for hosts without TypeORM makes the table.
    const embedding = readFileSync(join(import.meta.dirname, '../../../docs/embedding.md'), 'utf8');
    await other.query(/^```sql\n(.*?)^```/ms.exec(embedding)![1]!);
    database = { ...database, migrations: [] };
    await start({ outgoing: { database: database.url } });
    const notBefore = shop!.clock.now() - 1;

    const db = drizzle(database.url);
    await db.transaction(async (tx) => {
      const { strings, parameters } = outgoing(toBob('by Drizzle', { notBefore, id: 'drizzle' }));
      await tx.execute(sql(strings, ...parameters));
    });
    await expect(
      db.transaction(async (tx) => {
        const { strings, parameters } = outgoing(toBob('phantom'));
        await tx.execute(sql(strings, ...parameters));
        await failing();
      }),
    ).rejects.toThrow('no stock');
    await db.$client.end();
    const text = outgoing(toBob('by pg', { meta: { a: 1 } }));
    await other.query(text.sql, text.parameters);
    expect(text.strings.join('?').match(/\?/g)).toHaveLength(text.parameters.length);

    await shop!.untilSentLater();
    expect(await shop!.waiting('bob')).toEqual(['by Drizzle', 'by pg']);
  });

  it('writes into the schema of the application', async () => {
    const left = 'SELECT 1 FROM "my shop".holdfast_outgoing';
    await other.query('CREATE SCHEMA "my shop"');
    database = { ...database, schema: 'my shop' } as typeof database;
    await start();
    await shop!.dataSource.transaction((manager) => shop!.chat.sendInTransaction(manager, toBob('1')));
    const { sql: text, parameters } = outgoing(toBob('2'), { schema: 'my shop' });
    await other.query(text, parameters);
    await eventually(async () => (shop!.clock.advance(1_000), (await shop!.waiting('bob')).length === 2));
    await eventually(async () => (await other.query(left)).length === 0);
    expect(await shop!.waiting('bob')).toEqual(['1', '2']);
  });
});
