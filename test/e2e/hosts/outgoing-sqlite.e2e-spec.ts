import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSourceOptions } from 'typeorm';
import { eventually } from '../../support/deadline.js';
import { Shop, toBob } from '../../support/shop.js';

let folder: string;
let shop: Shop;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-outgoing-'));
});
afterEach(async () => {
  await shop.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each<[string, 'sqlite' | 'better-sqlite3', string]>([
  ['a file, by sqlite3', 'sqlite', 'shop.sqlite'],
  ['a file, by better-sqlite3', 'better-sqlite3', 'shop.sqlite'],
  ['memory, by sqlite3', 'sqlite', ':memory:'],
  ['memory, by better-sqlite3', 'better-sqlite3', ':memory:'],
])('a message in a transaction on SQLite in %s', (_title, type, name) => {
  beforeEach(async () => {
    const database = { type, database: name === ':memory:' ? name : join(folder, name) } as DataSourceOptions;
    shop = await Shop.start(database, { outgoing: { transactions: 'one-at-a-time' } });
  });

  it('is accepted after the commit, and never read before', async () => {
    const looking = shop.order([toBob('phantom')], async () => {
      for (let second = 0; second < 3; second += 1) {
        shop.clock.advance(1_000);
        await shop.chat.send({ from: 'ann', to: 'carl', content: 'time passes' });
      }
      throw new Error('no stock');
    });
    await expect(looking).rejects.toThrow('no stock');
    expect(await shop.rows()).toBe(0);
    await shop.order([toBob('1\0'), toBob('2', { urgency: 'high' })]);
    await shop.untilSentLater();
    expect(await shop.waiting('bob')).toEqual(['1\0', '2']);
  });

  it('is scheduled and cancelled as on Postgres', async () => {
    const { chat, clock } = shop;
    const notBefore = clock.now() + 60_000;
    await shop.order([toBob('later', { notBefore, id: 'later' }), toBob('never', { notBefore, id: 'never' })]);
    expect(await chat.cancelScheduled({ from: 'shop', to: 'bob', id: 'never' })).toBe(true);
    await shop.order([toBob('now')]);
    await shop.untilSent(1);
    clock.advance(60_000);
    await shop.untilSentLater();
    expect(await shop.waiting('bob')).toEqual(['now', 'later']);
    expect(await chat.cancelScheduled({ from: 'shop', to: 'bob', id: 'later' })).toBe(false);
  });

  it('is refused when 100,000 wait, and there is room again when they are gone', async () => {
    await shop.dataSource.query(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
       INSERT INTO holdfast_outgoing (sender, recipient, id, content, "notBefore")
       SELECT 'shop', 'user-' || n, 'x', 'x', ? FROM numbers`,
      [shop.clock.now() + 3_600_000],
    );
    await expect(shop.order([toBob('one more')])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await shop.dataSource.query('DELETE FROM holdfast_outgoing');
    await shop.order([toBob('there is room again')]);
    await eventually(async () => (shop.clock.advance(1_000), (await shop.waiting('bob')).length === 1));
  });
});
