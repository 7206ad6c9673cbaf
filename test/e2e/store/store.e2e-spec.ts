import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { openStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { mailboxKeyOf, type StoreOutcome } from '../../../src/delivery/mailbox-store.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { resolveChatOptions } from '../../../src/options/chat.options.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RelayWorld } from '../../support/relay-world.js';

describe('the store', () => {
  let folder: string;
  let url: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
    url = `sqlite:${join(folder, 'store.sqlite')}`;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('commits with synchronous FULL, in WAL, overwriting what was deleted', async () => {
    const store = await openStore(storeOptions(url));
    for (const [pragma, value] of [
      ['synchronous', 2],
      ['journal_mode', 'wal'],
      ['secure_delete', 1],
    ] as const) {
      expect(await store.query(`PRAGMA ${pragma}`)).toEqual([{ [pragma]: value }]);
    }
    await store.destroy();
  });

  it('keeps every promise when its n-th call fails, for every n', async () => {
    let calls = Infinity;
    let failures = 0;
    for (let n = 1; n <= calls; n += 1) {
      const world = await RelayWorld.open(join(folder, `fault-${n}.sqlite`), { ackWindow: 4, retentionMs: 3_000_000 });
      world.failCall(n);
      await scenario(world);
      await world.finish();
      await world.checkFinally();
      failures += world.failed;
      if (world.failed === 0) calls = n; // The whole run took fewer calls than n.
      await world.close();
    }
    expect(failures).toBeGreaterThan(20);
  }, 300_000);

  it('knows that another server has stored, also when the result of taking the store back was lost', async () => {
    const world = await RelayWorld.open(join(folder, 'lost.sqlite'), { ackWindow: 4 });
    const sendBeforeFault = async (to: string) => {
      world.breakDisk('late');
      world.send('ann', to, 1, 1);
      await world.flush();
    };
    await sendBeforeFault('ann');
    world.repairDisk();
    await world.visit('ann', 1);
    await sendBeforeFault('bob');
    // It checks that the counters say what is in the file.
    await expect(world.finish()).resolves.toBeUndefined();
    await world.checkFinally();
    await world.close();
  });

  it('counts what is in the file when servers take it from each other with deletes under way', async () => {
    const connection = await openStore(storeOptions(url));
    // Their clock stands still, so only a delete tells one that it is not the owner. The other has counted the row.
    const options = resolveChatOptions({ clock: new ManualClock() });
    const [first, second] = [
      new OfflineMessageService(connection, options),
      new OfflineMessageService(connection, options),
    ];
    const rows = [1, 2, 3].map((n) => ({
      mailbox: mailboxKeyOf('bob'),
      to: 'bob',
      from: 'ann',
      id: `m${n}`,
      sentAt: n,
    }));
    await first.open();
    for (const [n, row] of rows.entries()) {
      const message = { ...row, content: 'x' };
      const request = { ...row, message, position: n + 1, bytes: 1, mustKeep: false, hasEnded: false };
      first.store({ ...request, onSettled: () => undefined });
    }
    await first.flush();
    await second.open();
    for (const [n, service] of [first, second, first].entries()) {
      service.remove({ ...rows[n]!, position: n + 1, bytes: 1 }, 'confirmed');
      await service.flush();
      expect((await idsIn(connection)).size).toBe(2 - n);
      expect(service.counts.pending).toBe(2 - n);
    }
    await first.close();
    await second.close();
    await connection.destroy();
  });

  it('loses nothing that it acknowledged beside a host whose own transactions fail on the same file', async () => {
    const store = await openStore(storeOptions(url));
    const host = await hostOf(url);
    const { stored, refused } = await sendBeside(host, store);
    const rows = await idsIn(store);
    expect(stored.filter((id) => !rows.has(id))).toEqual([]);
    expect(stored.length + refused).toBe(200);
    expect(stored.length).toBeGreaterThan(0);
    await host.destroy();
    await store.destroy();
  });

  it('would lose them on the connection of the host, which is why it has its own', async () => {
    await (await openStore(storeOptions(url))).destroy();
    const host = await hostOf(url);
    const { stored } = await sendBeside(host, host);
    const rows = await idsIn(host);
    expect(stored.filter((id) => !rows.has(id)).length).toBeGreaterThan(0);
    await host.destroy();
  });
});

/** Some of every kind of call. */
async function scenario(world: RelayWorld): Promise<void> {
  const steps: (() => Promise<void> | void)[] = [
    () => world.send('ann', 'bob', 6, 10),
    () => world.flush(),
    () => world.connect('bob'),
    () => world.send('ann', 'bob', 3, 10),
    () => world.flush(),
    () => world.confirm('bob', 1),
    () => world.send('bob', 'ann', 2, 10),
    () => world.flush(),
    () => world.repeat('bob'),
    () => world.confirm('bob', 0),
    () => world.send('ann', 'bob', 2, 10),
    () => world.clock.advance(400),
    () => world.drop('bob'),
    () => world.flush(),
    () => world.connect('bob'),
    () => world.connect('ann'),
    () => world.flush(),
    () => world.confirm('ann', 0),
    () => world.send('ann', 'cat', 2, 10),
    () => world.flush(),
    () => world.purge('cat'),
    () => world.send('ann', 'cat', 2, 10),
    () => world.flush(),
    () => world.clock.advance(3_600_000),
    () => world.flush(),
  ];
  for (const step of steps) {
    await step();
    await world.turn();
    world.checkAlways();
  }
}

async function hostOf(url: string): Promise<DataSource> {
  const host = await new DataSource({ ...storeOptions(url), name: 'host' } as never).initialize();
  await host.query('CREATE TABLE host (n integer)');
  return host;
}

/** 200 messages to the store, while the host application opens transactions and rolls them back. */
async function sendBeside(host: DataSource, connection: DataSource): Promise<{ stored: string[]; refused: number }> {
  const service = new OfflineMessageService(
    connection,
    resolveChatOptions({ maxPendingPerUser: null, maxPendingPerSender: null }),
  );
  await service.open();
  const stored: string[] = [];
  let refused = 0;
  const send = (position: number) =>
    new Promise<void>((resolve) => {
      const id = `m-${position}`;
      const to = `user-${position % 7}`;
      service.store({
        mailbox: mailboxKeyOf(to),
        message: { id, from: 'ann', to, content: 'x', sentAt: position },
        position,
        bytes: 1,
        mustKeep: false,
        hasEnded: false,
        onSettled: (outcome: StoreOutcome) => {
          if (outcome.status === 'stored') stored.push(id);
          else refused += 1;
          resolve();
        },
      });
    });
  const failing = async () => {
    const runner = host.createQueryRunner();
    await runner.startTransaction();
    await runner.query('INSERT INTO host VALUES (1)');
    await new Promise((resolve) => setImmediate(resolve));
    await runner.rollbackTransaction();
    await runner.release();
  };
  for (let batch = 0; batch < 20; batch += 1) {
    const rolledBack = failing();
    await Promise.all(Array.from({ length: 10 }, (_, n) => send(batch * 10 + n + 1)));
    await rolledBack;
  }
  await service.close();
  return { stored, refused };
}

async function idsIn(connection: DataSource): Promise<Set<string>> {
  const rows = (await connection.query('SELECT id FROM holdfast_offline_message')) as { id: string }[];
  return new Set(rows.map(({ id }) => id));
}

describe('a message that throws at its outcome', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([
    ['stored', () => undefined],
    ['refused', (service: OfflineMessageService) => void (service['table'].insert = () => Promise.reject(new Error()))],
  ])('changes nothing for the others, which are %s', async (status, prepare) => {
    const log = jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const connection = await openStore(storeOptions('sqlite::memory:'));
    const service = new OfflineMessageService(connection, resolveChatOptions({}));
    await service.open();
    prepare(service);
    const fault = new Error('a fault of the server');
    const outcomes: string[] = [];
    for (const position of [1, 2, 3]) {
      service.store({
        mailbox: mailboxKeyOf('bob'),
        message: { id: `m-${position}`, from: 'ann', to: 'bob', content: 'x', sentAt: position },
        position,
        bytes: 1,
        mustKeep: false,
        hasEnded: false,
        onSettled: (outcome) => {
          outcomes.push(outcome.status);
          if (position === 1) throw fault;
        },
      });
    }
    await service.flush();
    expect(outcomes).toEqual([status, status, status]);
    expect(log).toHaveBeenCalledWith(fault);
    await service.close();
    await connection.destroy();
  });
});

describe("options of a database that can't be a store", () => {
  /** Throws as the driver does. */
  function withoutBinary(): never {
    throw new Error('Could not locate the bindings file. Tried: …');
  }

  it.each([
    ['no file', { type: 'sqlite' }, "The file of the store is undefined; give database: { type: 'sqlite', database: "],
    ['no path', { type: 'better-sqlite3', database: 5 }, 'The file of the store is 5; give database: { type: '],
    [
      'no driver',
      { type: 'sqlite', database: ':memory:', driver: {} },
      "The store :memory: can't be opened: SQLite package",
    ],
    [
      'a driver without its binary',
      { type: 'better-sqlite3', database: ':memory:', driver: withoutBinary },
      'The package better-sqlite3 is installed, but not built; allow it to build in your package manager, and run',
    ],
  ])('are refused with a sentence: %s', async (_what, options, problem) => {
    await expect(openStore(options as never)).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringContaining(problem),
    });
  });
});
