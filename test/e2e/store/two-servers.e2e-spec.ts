import { getDataSourceToken } from '@nestjs/typeorm';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { storeOptions } from '../../../src/database/store-options.js';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { eventually } from '../../support/deadline.js';
import { loseLock } from '../../support/lose-lock.js';
import { ManualClock } from '../../support/manual-clock.js';
import { PostgresServer } from '../../support/postgres-server.js';
import type { TestClient } from '../../support/test-client.js';

const UNCAPPED = { maxPendingPerUser: null, maxPendingBytesPerUser: null, maxPendingPerSender: null } as const;

/** A sender of the JSON protocol, which notes what became of each message. */
class Sender {
  readonly receipted = new Set<string>();
  readonly refused = new Map<string, string>();
  private sent = 0;

  private constructor(
    readonly name: string,
    readonly client: TestClient,
  ) {
    client.listen((text) => {
      const frame = JSON.parse(text);
      if (frame.event === 'receipts') for (const { id } of frame.data) this.receipted.add(id);
      if (frame.event === 'exception') this.refused.set(frame.data.id, frame.data.code);
    });
  }

  static async connect(chat: ChatApp, name: string): Promise<Sender> {
    return new Sender(name, await chat.connectJson(name));
  }

  /** Sends `count` messages; returns their ids. */
  send(to: string, count: number): string[] {
    const ids = Array.from({ length: count }, () => `${this.name}-${(this.sent += 1)}`);
    for (const id of ids) this.client.sendJson('send', { to, content: id, id });
    return ids;
  }

  async untilAnswered(): Promise<void> {
    await eventually(
      () => this.receipted.size + this.refused.size === this.sent,
      () => `${this.sent} answers; there are ${this.receipted.size} receipts and ${this.refused.size} refusals`,
    );
  }
}

describe.each(DATABASE_KINDS)('two servers on one store, on %s', (_name, makeKind) => {
  let kind: DatabaseKind;
  let url: string;
  let outside: DataSource;
  let folders: string[];
  let chats: ChatApp[];
  beforeAll(() => {
    kind = makeKind();
  });
  afterAll(() => kind.dispose());
  beforeEach(async () => {
    [url, folders, chats] = [await kind.create(), [], []];
    outside = new DataSource({ ...storeOptions(url), name: 'outside' } as never);
  });
  afterEach(async () => {
    for (const chat of chats) await chat.stop();
    if (outside.isInitialized) await outside.destroy();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  /**
   * A server whose clock stands still, so it does not check regularly whether it owns the store. It finds out when it
   * uses the store.
   */
  const start = async (options: Partial<ChatOptions> = {}) => {
    folders.push(await mkdtemp(join(tmpdir(), 'holdfast-two-')));
    const chat = await ChatApp.start({ ...UNCAPPED, clock: new ManualClock(), ...options }, folders.at(-1)!, url);
    chats.push(chat);
    return chat;
  };
  const stop = (chat: ChatApp) => chats.splice(chats.indexOf(chat), 1)[0]!.stop();

  const idsFor = async (user: string): Promise<string[]> => {
    const sql = `SELECT id FROM holdfast_offline_message WHERE recipient = '${user}' ORDER BY position`;
    return ((await outside.query(sql)) as { id: string }[]).map(({ id }) => id);
  };

  /** Takes everything that waits for a user; returns the ids in the order in which they came. */
  const fetch = async (chat: ChatApp, user: string, count: number): Promise<string[]> => {
    const client = await chat.connectJson(user);
    const ids: string[] = [];
    while (ids.length < count) {
      const { data } = await client.until('message');
      ids.push(data.id);
      client.sendJson('ack', { seq: data.seq });
    }
    await chat.untilPending(user, 0);
    return ids;
  };

  it('lose no receipt of the first, which goes on when the second has come and gone', async () => {
    const first = await start();
    const alice = await Sender.connect(first, 'alice');
    const before = alice.send('carol', 20);
    await alice.untilAnswered();
    await loseLock(outside);
    const second = await start();
    const dave = await Sender.connect(second, 'dave');
    const meanwhile = dave.send('carol', 30);
    await dave.untilAnswered();
    await stop(second);
    const after = alice.send('carol', 20);
    await alice.untilAnswered();
    expect([alice.refused.size, dave.refused.size]).toEqual([0, 0]);
    expect(await idsFor('carol')).toEqual([...before, ...meanwhile, ...after]);
    expect(first.delivery.totals).toMatchObject({ accepted: 70, pending: 70 });
    expect(await fetch(first, 'carol', 70)).toEqual([...before, ...meanwhile, ...after]);
    first.expectBalanced();
  });

  it('lose no receipt of either while both live: one at a time has the store, and the other says so', async () => {
    const servers = [await start()];
    await loseLock(outside);
    servers.push(await start());
    const senders = await Promise.all(servers.map((chat, n) => Sender.connect(chat, `sender-${n}`)));
    for (let round = 0; round < 2; round += 1) {
      for (const sender of senders) sender.send('carol', 8);
      for (const sender of senders) await sender.untilAnswered();
    }
    const receipted = senders.flatMap((sender) => [...sender.receipted]);
    expect(receipted.length).toBeGreaterThan(0);
    expect(new Set(await idsFor('carol'))).toEqual(new Set(receipted));
    for (const { refused } of senders)
      expect([...new Set(refused.values())].filter((code) => code !== 'STORE_UNAVAILABLE')).toEqual([]);
  });

  it('keep what the first had in memory, behind what the second stored and before what comes', async () => {
    const first = await start({ ackWindow: 3 });
    const [alice, bob] = [await Sender.connect(first, 'alice'), await first.connectJson('bob')];
    const inFlight = alice.send('bob', 3);
    for (const id of inFlight) expect((await bob.until('message')).data.id).toBe(id);
    await loseLock(outside);
    const second = await start();
    const dave = await Sender.connect(second, 'dave');
    const meanwhile = dave.send('bob', 2);
    await dave.untilAnswered();
    await stop(second);
    const behind = alice.send('bob', 3); // The window is full: they are stored, and what is in it with them.
    await eventually(() => alice.receipted.size === 6);
    expect(await idsFor('bob')).toEqual([...inFlight, ...meanwhile, ...behind]);
    bob.sendJson('ack', { seq: 3 });
    const rest = [];
    while (rest.length < 5) {
      const { data } = await bob.until('message');
      rest.push(data.id);
      bob.sendJson('ack', { seq: data.seq });
    }
    expect(rest).toEqual([...meanwhile, ...behind]);
    await first.untilTotals({ pending: 0, inFlight: 0, confirmed: 8 });
  });

  it('count right again, also when the second has delivered what the first has in flight', async () => {
    const first = await start();
    const alice = await Sender.connect(first, 'alice');
    const ids = alice.send('carol', 3);
    await alice.untilAnswered();
    const carol = await first.connectJson('carol');
    for (const id of ids) expect((await carol.until('message')).data.id).toBe(id);
    await loseLock(outside);
    const second = await start();
    expect(await fetch(second, 'carol', 3)).toEqual(ids);
    await stop(second);
    alice.send('dave', 2);
    await alice.untilAnswered();
    carol.sendJson('ack', { seq: 3 });
    await first.untilTotals({ confirmed: 3 });
    const store = first.app.get(OfflineMessageService);
    await store.flush();
    expect([first.delivery.totals.pending, store.storedBytes]).toEqual([2, 2 * (7 + 256)]);
    first.expectBalanced();
  });

  it('are found out without a sender, by looking once a second', async () => {
    const clock = new ManualClock();
    const first = await start({ clock });
    await loseLock(outside);
    const second = await start();
    const dave = await Sender.connect(second, 'dave');
    dave.send('carol', 2);
    await dave.untilAnswered();
    const isHealthy = () => first.app.get(OfflineMessageService).isHealthy;
    if (outside.options.type === 'postgres') {
      clock.advance(1_000);
      await eventually(() => !isHealthy()); // The lock is the other's.
    }
    await stop(second);
    await eventually(() => {
      clock.advance(1_000);
      return first.delivery.totals.pending === 2 && isHealthy();
    });
    expect(first.delivery.totals).toMatchObject({ accepted: 2, recovered: 2 });
  });

  it('or a row that somebody put at the next position: the message gets another one, and all keep their order', async () => {
    const chat = await start();
    await outside.initialize();
    const alice = await Sender.connect(chat, 'alice');
    const first = alice.send('carol', 2);
    await alice.untilAnswered();
    for (const ahead of [2, 3])
      await outside.query(
        `INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
         VALUES ('carol', ${chat.delivery['context'].lastPosition + ahead}, 'eve', 'eve-${ahead}', 'x', 1, 1, ${Date.now()})`,
      );
    const second = alice.send('carol', 4);
    await alice.untilAnswered();
    expect(alice.refused.size).toBe(0);
    expect(await idsFor('carol')).toEqual([...first, 'eve-2', 'eve-3', ...second]);
    expect(chat.delivery.totals.pending).toBe(8);
    expect(await fetch(chat, 'carol', 8)).toEqual([...first, 'eve-2', 'eve-3', ...second]);
  });

  it('or one after the other: a position is not given again, also when nothing waits at the start', async () => {
    let chat = await start();
    const alice = await Sender.connect(chat, 'alice');
    alice.send('carol', 3);
    await alice.untilAnswered();
    await fetch(chat, 'carol', 3);
    const given = chat.delivery['context'].lastPosition;
    await stop(chat);
    chat = await start();
    expect(chat.delivery.totals.recovered).toBe(0);
    expect(chat.delivery['context'].lastPosition).toBeGreaterThanOrEqual(given);
  });
});

describe('a Postgres that ends idle sessions', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.stop();
    await server.run('idle_session_timeout=300ms');
  });
  afterAll(() => server.dispose());

  it('lets the session of an idle server live, and with it the lock', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-two-'));
    const url = await server.createDatabase();
    const chat = await ChatApp.start({ clock: new ManualClock() }, folder, url);
    const pidOf = async (source: DataSource) => (await source.query('SELECT pg_backend_pid() AS pid'))[0].pid as number;
    const store = chat.app.get<DataSource>(getDataSourceToken('holdfast'));
    const pid = await pidOf(store);
    const other = await new DataSource({ type: 'postgres', url, poolSize: 1, logging: false }).initialize();
    const others = await pidOf(other);
    // A session that began later was ended because it was idle. So the one of the store would have been ended too.
    await eventually(async () => (await pidsOf()).every((each) => each !== others));
    expect(await pidOf(store)).toBe(pid);
    await other.destroy();
    await chat.dispose();

    async function pidsOf(): Promise<number[]> {
      const rows = await server.query('SELECT pid FROM pg_stat_activity WHERE datname IS NOT NULL');
      return rows.map((row) => row.pid as number);
    }
  });
});
