import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { outgoingMigrations } from '../../src/index.js';
import { Random } from '../support/crash-random.js';
import { SEED } from '../support/seed.js';
import { queryFile } from '../support/crash-server.js';
import { eventually } from '../support/deadline.js';
import { PostgresServer } from '../support/postgres-server.js';
import { ShopProcess, type ShopSettings } from '../support/shop-process.js';

const ROUNDS = Number(process.env['OUTGOING_ROUNDS'] ?? 2);
/** The timeout of one round, in milliseconds. It is many times what a round takes. */
const ROUND_MS = 30_000;
const BUYERS = '4';

/** Where the packages are: those of these tests, with TypeORM 0.3, and of an application with TypeORM 1. */
const HOSTS = [
  ['0.3', join(import.meta.dirname, '..')],
  ['1', join(import.meta.dirname, '../consumers/nest-12-express')],
] as const;

let server: PostgresServer;
let orders: DataSource;
let folder: string;
let settings: Omit<ShopSettings, 'ROLE'>;
let shops: ShopProcess[] = [];
beforeAll(async () => {
  process.stdout.write(`TEST_SEED=${SEED} OUTGOING_ROUNDS=${ROUNDS} repeats the moments of these kills.\n`);
  server = await PostgresServer.start();
});
afterAll(() => server.dispose());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-outgoing-'));
  const url = await server.createDatabase();
  settings = { BUYERS, DATABASE_URL: url, STORE: join(folder, 'chat.sqlite') };
  orders = await new DataSource({ type: 'postgres', url, migrations: outgoingMigrations }).initialize();
  await orders.runMigrations();
  await orders.query('CREATE TABLE orders (id text PRIMARY KEY)');
});
afterEach(async () => {
  const left = shops;
  shops = [];
  await Promise.allSettled(left.map((shop) => shop.kill()));
  await orders.destroy();
  await rm(folder, { recursive: true, force: true });
});

async function open(host: string, role: ShopSettings['ROLE'], buyers = BUYERS): Promise<ShopProcess> {
  const shop = await ShopProcess.start(host, { ...settings, ROLE: role, BUYERS: buyers });
  shops.push(shop);
  return shop;
}

async function killAll(): Promise<void> {
  const killed = shops;
  shops = [];
  await Promise.all(killed.map((shop) => shop.kill()));
}

async function idsIn(sql: string): Promise<string[]> {
  return ((await orders.query(sql)) as { id: string }[]).map(({ id }) => id);
}

/** Starts a shop without buyers until everything is sent, and compares the orders with what its buyers were told. */
async function verdict(host: string): Promise<{ sold: number; lost: string[]; phantoms: string[]; twice: number }> {
  await open(host, 'shop', '0');
  await eventually(
    async () => (await idsIn('SELECT id FROM holdfast_outgoing')).length === 0,
    () => 'everything is sent',
    ROUND_MS,
  );
  await killAll();
  const sold = new Set(await idsIn('SELECT id FROM orders'));
  const rows = await queryFile<{ id: string }>(settings.STORE, 'SELECT id FROM holdfast_offline_message');
  const told = new Set(rows.map(({ id }) => id));
  return {
    sold: sold.size,
    lost: [...sold].filter((id) => !told.has(id)),
    phantoms: [...told].filter((id) => !sold.has(id)),
    twice: rows.length - told.size,
  };
}

describe.each(HOSTS)('messages in transactions, with TypeORM %s', (version, host) => {
  it(
    'are sent for every order that was committed, and for no other, whenever the processes are killed',
    async () => {
      const moments = new Random(SEED);
      let waiting = 0;
      for (let round = 1; round <= ROUNDS; round += 1) {
        const [shop, worker] = await Promise.all([open(host, 'shop'), open(host, 'worker')]);
        const count = moments.between(1, 150);
        await Promise.race([shop.untilSold(count), worker.untilSold(count)]);
        await killAll();
        waiting += (await idsIn('SELECT id FROM holdfast_outgoing')).length;
      }
      const { sold, ...faults } = await verdict(host);
      process.stdout.write(`TypeORM ${version}: ${sold} orders, ${waiting} messages waited when the shop was killed\n`);
      expect(faults).toEqual({ lost: [], phantoms: [], twice: 0 });
      // Otherwise the kills came when nothing was under way, and the test proves nothing.
      expect(sold).toBeGreaterThan(0);
      expect(waiting).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * ROUND_MS,
  );
});

it('negative control: a send inside of the transaction tells of orders that nobody has', async () => {
  const [[, host]] = HOSTS;
  const shop = await open(host, 'naive');
  await shop.untilSold(100);
  await killAll();
  const { phantoms } = await verdict(host);
  expect(phantoms.length).toBeGreaterThan(0);
});
