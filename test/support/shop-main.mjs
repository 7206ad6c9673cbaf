// A shop in a process of its own, with the packages of the folder in which it runs. Its buyers save orders in
// transactions, of which a fifth are rolled back, and each order tells its buyer, who is away:
//   ROLE=shop    by sendInTransaction; with BUYERS=0 it only sends what is left
//   ROLE=worker  by the statement of outgoing(), in a process without a chat
//   ROLE=naive   by send inside of the transaction
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { resolve } = createRequire(join(process.cwd(), 'package.json'));
const load = (name) => import(pathToFileURL(resolve(name)).href);
const { ROLE, BUYERS, DATABASE_URL, STORE } = process.env;

await load('reflect-metadata');
const { Module } = await load('@nestjs/common');
const { NestFactory } = await load('@nestjs/core');
const { getDataSourceToken, TypeOrmModule } = await load('@nestjs/typeorm');
const typeorm = await load('typeorm');
const { ChatModule, ChatService, outgoing } = await load('holdfast');

const database = { type: 'postgres', url: DATABASE_URL };

async function withChat() {
  const unlimited = {
    maxPendingPerUser: null,
    maxPendingBytesPerUser: null,
    maxPendingPerSender: null,
    maxStoredBytesPerSender: null,
    maxStoredBytes: null,
  };
  const chatOptions = { database: { type: 'better-sqlite3', database: STORE }, outgoing: {}, ...unlimited };
  class AppModule {}
  Module({ imports: [TypeOrmModule.forRoot(database), ChatModule.forRoot(chatOptions)] })(AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  const chat = app.get(ChatService, { strict: false });
  const tell = ROLE === 'naive' ? (_manager, message) => chat.send(message) : chat.sendInTransaction.bind(chat);
  return { dataSource: app.get(getDataSourceToken()), tell };
}

async function withoutChat() {
  const dataSource = await new (typeorm.DataSource ?? typeorm.default.DataSource)(database).initialize();
  const tell = (manager, message) => {
    const { sql, parameters } = outgoing(message);
    return manager.query(sql, parameters);
  };
  return { dataSource, tell };
}

const { dataSource, tell } = await (ROLE === 'worker' ? withoutChat() : withChat());

async function buy(buyer) {
  for (;;) {
    const id = `order-${randomUUID()}`;
    try {
      await dataSource.transaction(async (manager) => {
        await manager.query('INSERT INTO orders (id) VALUES ($1)', [id]);
        await tell(manager, { from: ROLE, to: buyer, content: 'saved', id });
        if (Math.random() < 0.2) throw new Error('no stock');
      });
      process.stdout.write('sold\n');
    } catch (error) {
      if (error.message !== 'no stock') throw error;
    }
  }
}

process.stdout.write('open\n');
for (let buyer = 0; buyer < Number(BUYERS); buyer += 1) void buy(`buyer-${buyer}`);
