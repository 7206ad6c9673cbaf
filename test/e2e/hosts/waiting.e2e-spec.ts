import { Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { storeOptions } from '../../../src/database/store-options.js';
import {
  ChatModule,
  ChatService,
  OnChatEvent,
  type ChatEvents,
  type ChatModuleOptions,
  type SendRequest,
} from '../../../src/index.js';
import { DeliveryService } from '../../../src/delivery/delivery.service.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { IN_MEMORY, type TestClient } from '../../../src/testing/index.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';
import { loseLock } from '../../support/lose-lock.js';
import { ManualClock } from '../../support/manual-clock.js';
import { interceptStatements } from '../../support/statements.js';

type Waiting = ChatEvents['waiting'];

/** What was told, over all starts of a test, and what the listener does. */
let told: Waiting[];
let answer: (event: Waiting) => unknown;

@Injectable()
class Listener {
  @OnChatEvent('waiting')
  onWaiting(event: Waiting): unknown {
    told.push(event);
    return answer(event);
  }
}

// The statements are the same with better-sqlite3.
const KINDS = DATABASE_KINDS.filter(([name]) => name !== 'better-sqlite3');

describe.each(KINDS)('the event `waiting`, on %s', (_name, makeKind) => {
  let kind: DatabaseKind;
  let database: string;
  let clock: ManualClock;
  let host: HostApp;
  beforeAll(() => {
    kind = makeKind();
  });
  afterAll(() => kind.dispose());
  beforeEach(async () => {
    [database, clock, told, answer] = [await kind.create(), new ManualClock(), [], () => undefined];
  });
  afterEach(() => host.close());

  async function start(options: ChatModuleOptions = {}, providers = [Listener]): Promise<void> {
    const chat = ChatModule.forRoot({ ...IN_MEMORY, database, clock, ...options });
    host = await HostApp.start({ imports: [chat], providers });
  }

  async function restart(): Promise<void> {
    await host.close();
    await start();
  }

  const chat = () => host.app.get(ChatService, { strict: false });
  const store = () => host.app.get(OfflineMessageService);
  const users = () => told.map(({ user }) => user);
  const untilPending = (user: string, count: number) => eventually(async () => (await chat().pending(user)) === count);
  const notices = () =>
    host.app.get<DataSource>(getDataSourceToken('holdfast')).query('SELECT recipient FROM holdfast_notice');

  async function send(to: string, count = 1, { from = 'alice', urgency }: Partial<SendRequest> = {}): Promise<void> {
    const contents = Array.from({ length: count }, (_, n) => `${from} ${n}`);
    await Promise.all(contents.map((content) => chat().send({ from, to, content, ...(urgency && { urgency }) })));
  }

  /** Lets so much time pass, and then everything happen that is due: what is asked of the store, and what follows. */
  async function pass(ms: number, turns = 6): Promise<void> {
    clock.advance(ms);
    for (let turn = 0; turn < turns; turn += 1) {
      await store().flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A phone whose line is dead: the server does not know, and nothing that it writes arrives. */
  async function deadLine(user: string): Promise<TestClient> {
    const phone = await host.connect(user, { protocol: 'json' });
    await phone.until('caught-up');
    phone.socket.pause();
    return phone;
  }

  it('is told in waitingAfterMs for a phone that fell silent, while it still counts as connected', async () => {
    await start({ heartbeatMs: 600_000 });
    await deadLine('bob');
    const sent = send('bob');
    await eventually(async () => (clock.advance(1), (await chat().pending('bob')) === 1));
    await sent;
    const ageMs = clock.now() - (await store().page('bob' as never, 0, Number.MAX_SAFE_INTEGER, 1)).rows[0]!.sentAt;
    await pass(9_999 - ageMs);
    expect(told).toEqual([]);
    await pass(1);
    expect(users()).toEqual(['bob']);
    expect(await chat().isOnline('bob')).toBe(true);
  });

  it('says in short what waits, once for fifty messages', async () => {
    await start();
    for (let n = 0; n < 25; n += 1) await send('bob', 2, { from: `sender-${n}` });
    await pass(10_000);
    await send('bob', 3);
    await pass(1_000_000);
    expect(told).toEqual([
      {
        user: 'bob',
        count: 50,
        from: Array.from({ length: 20 }, (_, n) => `sender-${n}`),
        newest: { id: expect.any(String), from: 'sender-24', to: 'bob', sentAt: expect.any(Number) },
        urgency: 'normal',
      },
    ]);
    expect(host.app.get(DeliveryService).ledger.waiting).toEqual({ told: 1, failed: 0 });
  });

  it('is not told of who reads a backlog slowly, and has left no trace when it is read', async () => {
    await start();
    await send('bob', 4);
    const bob = await host.connect('bob', { protocol: 'json' });
    for (let left = 3; left >= 0; left -= 1) {
      const { data } = await bob.until('message');
      await pass(9_900);
      bob.sendJson('ack', { seq: data.seq });
      await untilPending('bob', left);
    }
    await pass(100_000);
    expect(told).toEqual([]);
    expect(await notices()).toEqual([]);
  });

  it('is told again when the listener rejects, also after a restart, and not again when it was told', async () => {
    await start();
    answer = ({ user }) => (user === 'bob' ? Promise.reject(new Error('no network')) : null);
    await send('bob');
    await send('cat');
    await pass(10_000);
    await pass(1_000);
    expect(users().toSorted()).toEqual(['bob', 'bob', 'cat']);
    await send('dan');
    await restart();
    answer = () => undefined;
    told = [];
    await pass(9_999);
    expect(told).toEqual([]);
    await pass(1);
    expect(users().toSorted()).toEqual(['bob', 'dan']);
    await restart();
    await pass(1_000_000);
    expect(told.length).toBe(2);
  });

  it('begins anew when something was confirmed, also when the process died right after it', async () => {
    await start();
    await send('bob', 2);
    await pass(10_000);
    const bob = await host.connect('bob', { protocol: 'json' });
    const { data } = await bob.until('message');
    bob.sendJson('ack', { seq: data.seq });
    await untilPending('bob', 1);
    await restart(); // Nothing has looked at the notice since the confirmation.
    await pass(10_000);
    expect(told.map(({ count }) => count)).toEqual([2, 1]);
  });

  it('begins anew when everything was purged or has expired, and goes on when a part of it has', async () => {
    await start({ retentionMs: 40_000 });
    await send('bob');
    await pass(10_000);
    await send('bob');
    const purge = (one?: { from: string; id: string }) => store().purge('bob' as never, one);
    const { rows } = await store().page('bob' as never, 0, Number.MAX_SAFE_INTEGER, 1);
    await purge(rows[0]!);
    await send('bob');
    await pass(10_000);
    expect(told.length).toBe(1);
    await purge();
    await send('bob');
    await pass(10_000);
    expect(told.length).toBe(2);
    await eventually(async () => (await pass(5_000), (await chat().pending('bob')) === 0));
    await send('bob');
    await pass(10_000);
    expect(users()).toEqual(['bob', 'bob', 'bob']);
  });

  it('goes on when older messages are evicted', async () => {
    await start({ overflow: 'evict-oldest', maxPendingPerUser: 3 });
    await send('bob', 3);
    await pass(10_000);
    for (let n = 0; n < 5; n += 1) await send('bob');
    await untilPending('bob', 3);
    await pass(100_000);
    await restart();
    await pass(100_000);
    expect(users()).toEqual(['bob']);
  });

  it('goes on when the message is replaced by a newer one of its topic', async () => {
    await start();
    const price = (content: string) => chat().send({ from: 'shop', to: 'bob', content, topic: 'price' });
    await price('10');
    await pass(10_000);
    await price('11');
    await untilPending('bob', 1);
    await pass(100_000);
    expect(users()).toEqual(['bob']);
  });

  it('comes at once for a message that is urgent, and not for one that is not urgent at all', async () => {
    await start();
    await send('bob', 1, { urgency: 'very-low' });
    await send('cat', 1, { urgency: 'very-low' });
    await restart();
    await pass(100_000);
    expect(told).toEqual([]);
    await send('bob', 1, { urgency: 'high' });
    await send('dan', 1, { urgency: 'low' });
    await pass(0);
    expect(told).toMatchObject([{ user: 'bob', count: 2, urgency: 'high' }]);
    await pass(10_000);
    expect(told.slice(1)).toMatchObject([{ user: 'dan', count: 1, urgency: 'low' }]);
  });

  it('is told by the server that has the store, and by it alone', async () => {
    const outside = new DataSource({ ...storeOptions(database), name: 'outside' } as never);
    await start();
    await send('bob');
    await loseLock(outside);
    const first = { host, clock };
    clock = new ManualClock();
    await start();
    const second = { host, clock };
    const as = (server: { host: HostApp; clock: ManualClock }) => ({ host, clock } = server);
    as(first);
    // Each turn waits for the lock that the other server has, for 2 s on Postgres.
    await pass(10_000, 1);
    await pass(10_000, 1);
    expect(told).toEqual([]);
    as(second);
    await pass(10_000);
    expect(users()).toEqual(['bob']);
    await send('cat');
    await host.close();
    as(first);
    await outside.destroy();
    await eventually(async () => (await pass(1_000), store().isHealthy));
    await pass(10_000);
    await pass(10_000);
    expect(users()).toEqual(['bob', 'cat']);
  });

  it('costs nothing where nobody listens: no statement, no timer', async () => {
    await start({}, []);
    const statements: string[] = [];
    interceptStatements(host.app.get<DataSource>(getDataSourceToken('holdfast')), (sql, run) => {
      statements.push(sql);
      return run();
    });
    const alarms = clock.pendingAlarms;
    await send('bob', 3);
    await pass(100);
    expect(clock.pendingAlarms).toBe(alarms);
    await pass(100_000);
    await store().purge('bob' as never);
    expect(statements.length).toBeGreaterThan(0);
    expect(statements.filter((sql) => sql.includes('holdfast_notice'))).toEqual([]);
  });
});
