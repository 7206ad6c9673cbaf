import { DataSource } from 'typeorm';
import { openStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { faultOf } from '../../../src/offline-messages/store-fault.js';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { PostgresProxy, type Mishap } from '../../support/postgres-proxy.js';
import { PostgresServer } from '../../support/postgres-server.js';
import type { TestClient } from '../../support/test-client.js';

const INSERT = 'INSERT INTO holdfast_offline_message';
const DELETE = 'DELETE FROM holdfast_offline_message';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.dispose());

describe('a Postgres database', () => {
  /** Opens it as a server does; returns the error. */
  async function refusal(url: string): Promise<string> {
    try {
      await (await openStore(storeOptions(url))).destroy();
    } catch (error) {
      expect((error as Error).name).toBe('StoreError');
      expect((error as Error).message).not.toContain('p@ss');
      return (error as Error).message;
    }
    throw new Error('it was not refused');
  }
  const nameOf = (url: string) => new URL(url).pathname.slice(1);
  const set = async (setting: string) => {
    const url = await server.createDatabase();
    await server.query(`ALTER DATABASE ${nameOf(url)} SET ${setting}`);
    return url;
  };

  it('is refused when it does not wait for the disk', async () => {
    expect(await refusal(await set('synchronous_commit = off'))).toBe(
      "The database can't promise durable commits: synchronous_commit is off; set it to on.",
    );
    await (await openStore(storeOptions(await set('synchronous_commit = local')))).destroy();
    await server.stop();
    await server.run('fsync=off');
    const url = await server.createDatabase();
    expect(await refusal(url)).toBe("The database can't promise durable commits: fsync is off; set it to on.");
    await server.stop();
    await server.run();
    await (await openStore(storeOptions(url))).destroy();
  });

  it('is refused when it can only be read, and when it does not hold every character', async () => {
    expect(await refusal(await set('default_transaction_read_only = on'))).toMatch(/^The database can only be read/);
    const latin = await server.createDatabase("ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0");
    expect(await refusal(latin)).toBe("The database has the encoding LATIN1; make one with ENCODING 'UTF8'.");
  });

  it("is one server's: a second one is refused, and takes over when the first has gone", async () => {
    const url = await server.createDatabase();
    const first = await openStore(storeOptions(url));
    expect(await refusal(url)).toBe(
      'Another Holdfast uses this database; stop that, give each a database of its own, or send through its REST call POST /chat/messages.',
    );
    expect(await first.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await first.destroy();
    await (await openStore(storeOptions(url))).destroy();
  });

  it('that is not there, or lets nobody in, is named without the password', async () => {
    const url = await server.createDatabase();
    expect(await refusal(server.url('nowhere'))).toBe(
      `The database can't be opened: database "nowhere" does not exist`,
    );
    expect(await refusal(url.replace('p%40ss', 'wrong'))).toMatch(/password authentication failed for user "holdfast"/);
    const proxy = await PostgresProxy.start(server.socket);
    const gone = server.url('db1', proxy);
    await proxy.close();
    expect(await refusal(gone)).toMatch(/^The database can't be opened: .*ECONNREFUSED/);
  });

  it('cancels a statement that takes too long, and nothing else', async () => {
    const url = await server.createDatabase();
    await (await openStore(storeOptions(url))).destroy(); // Making the tables may take longer than that.
    const store = await openStore(storeOptions(`${url}&statement_timeout=1000`));
    const failure = await store.query('SELECT pg_sleep(60)').catch((error: unknown) => error);
    expect(faultOf(failure)).toBe('refused');
    expect(await store.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await store.destroy();
  });
});

describe.each([
  ['sqlite3:x.sqlite', /begins with 'sqlite3:'; give sqlite:PATH/],
  ['mysql://u:secret@h/d', /begins with 'mysql:'/],
  ['postgres://u:secret@h', /names no database/],
  ['postgres://u:secret@h:port/d', /not an address of Postgres/],
  ['postgres://u:secret/x@h/d', /not an address of Postgres/],
  ['postgres://u:1/secret@h/d', /'@' behind its host/],
  ['postgres://u:secret%@h/d', /'%' that is not written as %25/],
])('the address %s', (url, problem) => {
  it('is refused without repeating what may be a password', () => {
    expect(() => storeOptions(url)).toThrow(problem);
    expect(() => storeOptions(url)).not.toThrow(/secret/);
  });
});

it('names the kinds of databases that there are when it is given another', async () => {
  await expect(openStore({ type: 'mysql', database: 'x' })).rejects.toThrow(
    "The store can't be on mysql; give a data source of the type postgres, sqlite or better-sqlite3.",
  );
});

describe('the relay on a Postgres', () => {
  let chat: ChatApp;
  let proxy: PostgresProxy;
  let database: string;
  beforeEach(async () => {
    database = await server.createDatabase();
    proxy = await PostgresProxy.start(server.socket);
  });
  afterEach(async () => {
    await chat.dispose();
    await proxy.close();
  });

  const start = async (options: Partial<ChatOptions> = {}, settings = '') => {
    const url = server.url(new URL(database).pathname.slice(1), proxy);
    chat = await ChatApp.start({ persistAfterMs: 20, ...options }, undefined, url + settings);
  };
  const ready = async () => (await chat.rest('GET', '/health/ready')).status;
  const untilReady = (status: number) =>
    eventually(
      async () => (await ready()) === status,
      () => `ready answers ${status}`,
    );
  /** How often each message is in the table, seen from outside. */
  const rows = async (): Promise<Record<string, number>> => {
    const found = await server.query(
      `SELECT id, COUNT(*)::int AS count FROM holdfast_offline_message WHERE recipient <> '' GROUP BY recipient, sender, id`,
      database,
    );
    return Object.fromEntries(found.map(({ id, count }) => [id, count]));
  };

  /** A sender that sends what was refused again, with its id, until it has a receipt. */
  class Sender {
    readonly receipted = new Set<string>();
    refusals = 0;

    constructor(readonly client: TestClient) {
      client.listen((text) => {
        const frame = JSON.parse(text);
        if (frame.event === 'receipts') for (const { id } of frame.data) this.receipted.add(id);
        if (frame.event === 'exception') {
          if (frame.data.code !== 'STORE_UNAVAILABLE') throw new Error(`refused with ${frame.data.code}`);
          this.refusals += 1;
          this.send(frame.data.id);
        }
      });
    }

    send(id: string, to = 'carol'): void {
      this.client.sendJson('send', { to, content: id, id });
    }

    async untilReceipted(...ids: string[]): Promise<void> {
      await eventually(
        () => ids.every((id) => this.receipted.has(id)),
        () => `receipts for ${ids.join()}; there are ${[...this.receipted].join()}`,
      );
    }
  }
  const sender = async () => new Sender(await chat.connectJson('alice'));

  it.each<[Mishap, string]>([
    ['reset-answer', 'reset right after the commit'],
    ['swallow-answer', 'silent right after the commit'],
    ['hold', 'silent before the commit'],
  ])('%s: a connection that is %s costs nobody a message, and makes none twice', async (mishap) => {
    await start();
    const alice = await sender();
    alice.send('a');
    await alice.untilReceipted('a');
    proxy.failNext(INSERT, mishap);
    alice.send('b');
    await eventually(
      () => alice.refusals > 0,
      () => 'a refusal',
    );
    await alice.untilReceipted('b');
    await untilReady(200);
    alice.send('c');
    await alice.untilReceipted('c');
    expect(proxy.mishaps).toBe(1);
    expect(await rows()).toEqual({ a: 1, b: 1, c: 1 });
    chat.expectBalanced();
  });

  it('does not carry out a statement that arrives when its connection was given up, and its message delivered', async () => {
    await start();
    const alice = await sender();
    proxy.failNext(INSERT, 'hold');
    alice.send('a');
    await alice.untilReceipted('a');
    const carol = await chat.connectJson('carol');
    carol.sendJson('ack', { seq: (await carol.until('message')).data.seq });
    await chat.untilPending('carol', 0);
    await proxy.release();
    expect(proxy.mishaps).toBe(1);
    expect(await rows()).toEqual({});
  });

  it('takes out what was committed although its sender was refused', async () => {
    await start();
    const alice = await chat.connectJson('alice');
    proxy.failNext(INSERT, 'reset-answer');
    alice.sendJson('send', { to: 'carol', content: 'x', id: 'lost-answer' });
    expect((await alice.until('exception')).data).toMatchObject({ code: 'STORE_UNAVAILABLE', id: 'lost-answer' });
    await untilReady(200);
    expect(await rows()).toEqual({});
    chat.expectBalanced();
  });

  it('stores once what had to be kept, when the answer was lost', async () => {
    await start();
    const [alice, dave] = [await sender(), await chat.connectJson('dave')];
    proxy.failNext(INSERT, 'reset-answer');
    alice.send('kept', 'dave');
    await dave.until('message');
    await alice.untilReceipted('kept');
    expect(alice.refusals).toBe(0);
    await chat.untilTotals({ accepted: 1, pending: 1, inFlight: 0 });
    expect(await rows()).toEqual({ kept: 1 });
  });

  it('counts a deletion once whose answer was lost', async () => {
    await start();
    const alice = await sender();
    for (const id of ['a', 'b', 'c']) alice.send(id);
    await alice.untilReceipted('a', 'b', 'c');
    proxy.failNext(DELETE, 'reset-answer');
    expect((await chat.rest('DELETE', '/chat/pending/carol')).status).toBe(503);
    await untilReady(200);
    await chat.untilTotals({ purged: 3, pending: 0 });
    expect(await rows()).toEqual({});
  });

  it.each(['SIGINT', 'SIGQUIT'] as const)(
    'while the server ends with %s and comes back: live goes on, nothing is lost',
    async (signal) => {
      await start({ maxPendingPerUser: null, maxPendingPerSender: null });
      const [alice, bob] = [await sender(), await chat.connectJson('bob')];
      let sent = 0;
      const sendSome = () => {
        for (let n = 0; n < 20; n += 1) alice.send(`m${(sent += 1)}`);
      };
      const traffic = setInterval(sendSome, 10);
      try {
        await eventually(() => alice.receipted.size > 100);
        await server.stop(signal);
        await eventually(() => alice.refusals > 0);
        await untilReady(503);
        clearInterval(traffic);
        alice.send('live', 'bob');
        expect((await bob.until('message')).data).toMatchObject({ seq: 1, id: 'live' });
        bob.sendJson('ack', { seq: 1 });
        await alice.untilReceipted('live');
      } finally {
        clearInterval(traffic);
        await server.run();
      }
      await untilReady(200);
      const ids = Array.from({ length: sent }, (_, n) => `m${n + 1}`);
      await alice.untilReceipted(...ids);
      expect(await rows()).toEqual(Object.fromEntries(ids.map((id) => [id, 1])));
      chat.expectBalanced();
    },
  );

  it('stops while the network is silent, and what is lost had no receipt', async () => {
    await start();
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    proxy.silence();
    alice.sendJson('send', { to: 'bob', content: 'not confirmed', id: 'a' });
    await bob.until('message');
    alice.sendJson('send', { to: 'carol', content: 'x', id: 'b' });
    expect((await alice.until('exception')).data.id).toBe('b');
    await chat.stop();
    expect(await rows()).toEqual({});
    await proxy.close();
    proxy = await PostgresProxy.start(server.socket);
    await start();
  });

  it('does not notice that its idle connection was ended', async () => {
    await start();
    const alice = await sender();
    alice.send('a');
    await alice.untilReceipted('a');
    const before = proxy.connections;
    const [{ ended }] = await server.query(
      `SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity WHERE application_name = 'holdfast'`,
    );
    expect(ended).toBe(true);
    alice.send('b');
    await alice.untilReceipted('b');
    expect(proxy.connections).toBe(before + 1);
    expect(await rows()).toEqual({ a: 1, b: 1 });
  });

  it('tells senders of a table that somebody has locked, and goes on when it is free', async () => {
    await start();
    const other = await new DataSource({ type: 'postgres', url: database }).initialize();
    const runner = other.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query('LOCK TABLE holdfast_offline_message IN SHARE MODE');
      const alice = await chat.connectJson('alice');
      const begun = performance.now();
      alice.sendJson('send', { to: 'carol', content: 'x', id: 'a' });
      expect((await alice.until('exception')).data.code).toBe('STORE_UNAVAILABLE');
      expect(performance.now() - begun).toBeGreaterThan(1_000); // Other sessions hold such locks for moments.
      expect((await chat.rest('GET', '/chat/pending/carol')).body.total).toBe(0);
      await runner.rollbackTransaction();
      await untilReady(200);
      expect(proxy.connections).toBe(2); // The connection of the store, which it kept, and the one that read the list.
      expect(chat.app.get(OfflineMessageService).isHealthy).toBe(true);
    } finally {
      await runner.release();
      await other.destroy();
    }
  });
});
