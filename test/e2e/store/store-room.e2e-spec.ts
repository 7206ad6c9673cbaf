import { jest } from '@jest/globals';
import { ChatService } from '../../../src/chat/chat.service.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { catchLogLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { TestClient } from '../../support/test-client.js';

/** Room for three messages of up to 144 bytes; one of 100 takes 356. */
const ROOM = 1_200;
const CONTENT = 'x'.repeat(100);
const OFF = { maxPendingPerUser: null, maxPendingBytesPerUser: null, maxPendingPerSender: null, maxContentBytes: 900 };
const OF_SENDER = { ...OFF, maxStoredBytesPerSender: ROOM };
const OF_STORE = { ...OFF, maxStoredBytesPerSender: null, maxStoredBytes: ROOM };

let chat: ChatApp;
afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
});

async function start(options: TestOptions): Promise<void> {
  chat = await ChatApp.start(options);
}

/** Sends a message; returns the status of its receipt, or the code and scope of its refusal. */
async function send(client: TestClient, to: string, id: string, content = CONTENT): Promise<string> {
  client.sendJson('send', { to, content, id });
  for (;;) {
    const frame = await client.nextJson();
    if (frame.event === 'exception' && frame.data.id === id) {
      if (!frame.data.temporary) throw new Error(`${frame.data.code} is not temporary`);
      return [frame.data.code, frame.data.scope].filter(Boolean).join(' ');
    }
    if (frame.event === 'receipts') {
      const receipt = frame.data.find((each) => each.id === id);
      if (receipt) return receipt.status;
    }
  }
}

function storedBytes(): number {
  return chat.app.get(OfflineMessageService).storedBytes;
}

describe('the room of one sender', () => {
  it('is for all recipients together, and what is over it is refused, of that sender alone', async () => {
    await start(OF_SENDER);
    const [alice, carol] = [await chat.connectJson('alice'), await chat.connectJson('carol')];
    for (const n of [1, 2, 3]) expect(await send(alice, `away-${n}`, `a${n}`)).toBe('stored');
    expect(await send(alice, 'away-4', 'a4')).toBe('SENDER_QUOTA sender');
    expect(await send(alice, 'away-1', 'a5')).toBe('SENDER_QUOTA sender');
    expect(await send(carol, 'away-1', 'c1')).toBe('stored');
    // A repeat of one that waits is no new one, and a message that need not wait needs no room.
    expect(await send(alice, 'away-2', 'a2')).toBe('stored');
    alice.sendJson('send', { to: 'carol', content: 'live', id: 'a6' });
    expect((await carol.until('message')).data.content).toBe('live');
    await chat.untilTotals({ pending: 4 });
  });

  it('is told from that in one mailbox', async () => {
    await start({ ...OF_SENDER, maxPendingPerSender: 2 });
    const alice = await chat.connectJson('alice');
    for (const n of [1, 2]) expect(await send(alice, 'bob', `a${n}`)).toBe('stored');
    expect(await send(alice, 'bob', 'a3')).toBe('SENDER_QUOTA mailbox');
    expect(await send(alice, 'cat', 'a4')).toBe('stored');
    expect(await send(alice, 'cat', 'a5')).toBe('SENDER_QUOTA sender');
  });

  it('holds for every door alike, and says it in words to a text client', async () => {
    await start(OF_SENDER);
    const service = chat.app.get(ChatService, { strict: false });
    for (const to of ['a', 'b', 'c']) await service.send({ from: 'alice', to, content: CONTENT });
    const message = { from: 'alice', to: 'd', content: CONTENT };
    await expect(service.send(message)).rejects.toMatchObject({
      code: 'SENDER_QUOTA',
      scope: 'sender',
      temporary: true,
    });
    expect(await chat.rest('POST', '/chat/messages', message)).toMatchObject({
      status: 429,
      body: { statusCode: 429, code: 'SENDER_QUOTA', scope: 'sender' },
    });
    const alice = await chat.connect('alice');
    alice.send(`d|${CONTENT}`);
    expect(await alice.next()).toMatch(/^error: SENDER_QUOTA: your messages that wait, for all users together,/);
  });

  it('is one for all that was handed in at once', async () => {
    await start(OF_SENDER);
    const service = chat.app.get(ChatService, { strict: false });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => service.send({ from: 'alice', to: `away-${n}`, content: CONTENT })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(storedBytes()).toBe(3 * 356);
  });

  it('is given back by what is delivered, purged and expired', async () => {
    const clock = new ManualClock();
    await start({ ...OF_SENDER, clock, retentionMs: 60_000, heartbeatMs: 600_000 });
    const alice = await chat.connectJson('alice');
    let id = 0;
    const fill = async (): Promise<void> => {
      for (const to of ['bob', 'cat', 'dan']) expect(await send(alice, to, `m${(id += 1)}`)).toBe('stored');
      expect(await send(alice, 'eve', `m${(id += 1)}`)).toBe('SENDER_QUOTA sender');
    };
    await fill();
    const readers = await Promise.all(['bob', 'cat', 'dan'].map((user) => chat.connect(user)));
    for (const reader of readers) await reader.next();
    await chat.untilTotals({ pending: 0 });
    await Promise.all(readers.map((reader) => reader.close()));
    for (const user of ['bob', 'cat', 'dan']) await chat.untilOffline(user);
    await fill();
    for (const user of ['bob', 'cat', 'dan']) await chat.rest('DELETE', `/chat/pending/${user}`);
    await fill();
    await eventually(() => (clock.advance(20_000), chat.delivery.totals.expired === 3));
    await fill();
  });

  it('is counted from what an earlier run left', async () => {
    await start(OF_SENDER);
    const service = chat.app.get(ChatService, { strict: false });
    for (const to of ['a', 'b', 'c']) await service.send({ from: 'alice', to, content: CONTENT });
    chat = await chat.restart();
    const [alice, carol] = [await chat.connectJson('alice'), await chat.connectJson('carol')];
    expect(await send(alice, 'd', 'a1')).toBe('SENDER_QUOTA sender');
    expect(await send(carol, 'd', 'c1')).toBe('stored');
    await chat.rest('DELETE', '/chat/pending/a');
    expect(await send(alice, 'd', 'a1')).toBe('stored');
  });

  it('refuses nothing that was taken already, and counts it', async () => {
    await start(OF_SENDER);
    const alice = await chat.connectJson('alice');
    const bob = await chat.connect('bob', { autoPong: false });
    for (let n = 1; n <= 6; n += 1) alice.sendJson('send', { to: 'bob', content: CONTENT, id: `m${n}` });
    await bob.take(6);
    await bob.drop();
    await chat.untilTotals({ pending: 6 });
    expect(storedBytes()).toBe(6 * 356);
    expect(await send(alice, 'cat', 'm7')).toBe('SENDER_QUOTA sender');
    await chat.rest('DELETE', '/chat/pending/bob');
    expect(await send(alice, 'cat', 'm7')).toBe('stored');
  });

  it('is counted anew after a commit that failed, with nothing counted twice', async () => {
    const clock = new ManualClock();
    await start({ ...OF_SENDER, clock });
    const alice = await chat.connectJson('alice');
    expect(await send(alice, 'a', 'm1')).toBe('stored');
    for (const cause of ['SQLITE_FULL: no room', 'SQLITE_IOERR: torn']) {
      const fail = () => Promise.reject(new Error(cause));
      jest.spyOn(OfflineMessageTable.prototype, 'insert').mockImplementationOnce(fail);
      expect(await send(alice, 'b', 'm2')).toBe('STORE_UNAVAILABLE');
      await eventually(() => (clock.advance(250), chat.app.get(OfflineMessageService).isHealthy));
      expect(storedBytes()).toBe(356);
    }
    for (const id of ['m2', 'm3']) expect(await send(alice, 'b', id)).toBe('stored');
    expect(await send(alice, 'b', 'm4')).toBe('SENDER_QUOTA sender');
  });

  it('takes a notification to 10,000 users who are away, as it comes', async () => {
    await start({ maxPendingPerUser: 10 });
    const service = chat.app.get(ChatService, { strict: false });
    const content = 'x'.repeat(2_048);
    const users = Array.from({ length: 10_000 }, (_, n) => `user-${n}`);
    await Promise.all(users.map((to) => service.send({ from: 'news', to, content })));
    expect(chat.delivery.totals.pending).toBe(10_000);
  });
});

describe('the room of the store', () => {
  it.each(['reject', 'evict-oldest'] as const)(
    'is for everybody, and what is over it is refused at every door, under %s',
    async (overflow) => {
      await start({ ...OF_STORE, overflow });
      const service = chat.app.get(ChatService, { strict: false });
      const clients = await Promise.all(['ann', 'bob', 'cat'].map((user) => chat.connectJson(user)));
      for (const [n, client] of clients.entries()) expect(await send(client, `away-${n}`, `m${n}`)).toBe('stored');
      for (const client of clients) expect(await send(client, 'away', 'm')).toBe('STORE_FULL');
      const message = { from: 'dan', to: 'away', content: CONTENT };
      await expect(service.send(message)).rejects.toMatchObject({ code: 'STORE_FULL', temporary: true });
      const { status, body } = await chat.rest('POST', '/chat/messages', message);
      expect([status, body.code, body.scope]).toEqual([503, 'STORE_FULL', undefined]);
      // A row has its size without any content, and messages that need not wait go on.
      expect(await send(clients[0]!, 'away', 'short', '')).toBe('STORE_FULL');
      clients[0]!.sendJson('send', { to: 'bob', content: 'live', id: 'live' });
      expect((await clients[1]!.until('message')).data.content).toBe('live');
      expect((await chat.rest('GET', '/health/ready')).status).toBe(200);
      await chat.rest('DELETE', '/chat/pending/away-1');
      expect(await send(clients[0]!, 'away', 'm')).toBe('stored');
    },
  );

  it('is one for all that was handed in at once', async () => {
    await start(OF_STORE);
    const service = chat.app.get(ChatService, { strict: false });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => service.send({ from: `sender-${n}`, to: `away-${n}`, content: CONTENT })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(storedBytes()).toBe(3 * 356);
  });

  it('is counted from what an earlier run left, and shown among the metrics', async () => {
    await start(OF_STORE);
    const service = chat.app.get(ChatService, { strict: false });
    for (const from of ['a', 'b', 'c']) await service.send({ from, to: 'away', content: CONTENT });
    chat = await chat.restart();
    const alice = await chat.connectJson('alice');
    expect(await send(alice, 'away', 'a1')).toBe('STORE_FULL');
    const metrics = await (await fetch(`http://127.0.0.1:${chat.port}/metrics`)).text();
    expect(metrics).toContain(`holdfast_store_bytes ${3 * 356}\n`);
    expect(metrics).toContain('holdfast_refusals_total{code="STORE_FULL"} 1\n');
  });

  it('is given back by what is evicted', async () => {
    await start({ ...OF_STORE, maxPendingPerUser: 1, overflow: 'evict-oldest' });
    const alice = await chat.connectJson('alice');
    for (let n = 1; n <= 9; n += 1) {
      expect(await send(alice, 'away', `m${n}`)).toBe('stored');
      await chat.untilTotals({ evicted: n - 1, pending: 1 });
    }
  });

  it('is told to the operator once, and again when it had been free', async () => {
    await start(OF_STORE);
    const lines = catchLogLines();
    const full = () => lines.filter((line) => line.startsWith('warn OfflineMessages: The store is full: 1068 bytes'));
    const alice = await chat.connectJson('alice');
    for (const turn of [1, 2]) {
      for (const n of [1, 2, 3]) expect(await send(alice, `away-${n}`, `m${turn}${n}`)).toBe('stored');
      for (const n of [4, 5]) expect(await send(alice, `away-${n}`, `m${turn}${n}`)).toBe('STORE_FULL');
      expect(full()).toHaveLength(turn);
      for (const n of [1, 2, 3]) await chat.rest('DELETE', `/chat/pending/away-${n}`);
    }
    expect(lines.join()).not.toContain('alice');
  });
});

/** While the clock stands still, the store does not look whether it is still its own, which is a statement, too. */
const STILL = { clock: new ManualClock() };

it('without a cap the store asks its table nothing but to take the message', async () => {
  await start({ ...OFF, ...STILL, maxStoredBytesPerSender: null, maxStoredBytes: null });
  const alice = await chat.connectJson('alice');
  const statements = chat.watchStatements();
  for (const n of [1, 2, 3]) expect(await send(alice, `away-${n}`, `m${n}`)).toBe('stored');
  expect(statements.map((sql) => sql.trim().split(' ')[0])).toEqual(['INSERT', 'INSERT', 'INSERT']);
});

it('a sender is counted once, and not for every message', async () => {
  await start({ ...OF_SENDER, ...STILL });
  const alice = await chat.connectJson('alice');
  const statements = chat.watchStatements();
  for (const n of [1, 2, 3]) expect(await send(alice, `away-${n}`, `m${n}`)).toBe('stored');
  expect(statements.map((sql) => sql.trim().split(' ')[0])).toEqual(['WITH', 'INSERT', 'INSERT', 'INSERT']);
});
