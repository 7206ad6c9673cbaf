import { jest } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FakeSocket } from './fake-server.js';
import { fileRecord } from '../src/record/file-record-store.js';
import { statusOf, type RecordStore } from '../src/record/index.js';
import { at, FakeRecord, recordStage } from './record-stage.js';
import { onFakeTime, pass, settle } from './stage.js';

const own = (record: FakeRecord, n: number) => record.add(n, 'alice', 'bob');

/** A store in memory that outlives its client. */
function keptStore(): RecordStore & { readonly kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>();
  return {
    kept,
    load: async () => [...kept],
    save: async (entries) => {
      for (const [key, value] of entries) {
        if (value === null) kept.delete(key);
        else kept.set(key, structuredClone(value));
      }
    },
    clear: async () => kept.clear(),
    close: async () => undefined,
  };
}

describe('a client of the record', () => {
  onFakeTime();

  it('lists the conversations of a new device, and brings one when it is opened', async () => {
    const { client, record, online, known, asked, errors } = recordStage();
    for (let n = 1; n <= 120; n += 1) record.add(n, 'bob');
    record.add(200, 'carol');
    await online();
    expect(client.conversations.map(({ with: name, unread }) => [name, unread])).toEqual([
      ['carol', 1],
      ['bob', 120],
    ]);
    expect(client.unread).toBe(121);
    expect(known('bob')).toEqual([120]);
    client.open('bob');
    await settle();
    expect([known('bob').length, known('bob')[0], client.conversation('bob').hasEarlier]).toEqual([50, 71, true]);
    await client.earlier('bob');
    await client.earlier('bob');
    expect([known('bob').length, known('bob')[0], client.conversation('bob').hasEarlier]).toEqual([120, 1, false]);
    expect(asked()).toEqual([
      'sync',
      'conversations',
      'history bob',
      'history bob before 0071',
      'history bob before 0021',
    ]);
    expect(errors).toEqual([]);
    await client.close();
  });

  it('keeps what was scrolled back to while the newest page was on its way', async () => {
    const { client, server, record, online, known } = recordStage();
    for (let n = 1; n <= 51; n += 1) record.add(n, 'bob');
    await online();
    const held: (() => void)[] = [];
    server.answer = (socket, frame) => void held.push(() => record.answer(socket, frame));
    const scrollBack = async () => {
      while (client.conversation('bob').hasEarlier) await client.earlier('bob');
    };
    client.open('bob');
    const scrolled = scrollBack();
    for (let answers = 0; answers < 3; answers += 1) {
      await settle();
      held.shift()?.();
    }
    await scrolled;
    await settle();
    expect([known('bob').length, client.conversation('bob').hasEarlier]).toEqual([51, false]);
    await client.close();
  });

  it('says that it keeps no more when a conversation was scrolled back very far', async () => {
    const { client, record, online, known, asked } = recordStage();
    for (let n = 20_001; n <= 30_060; n += 1) record.add(n, 'bob');
    await online();
    client.open('bob');
    await settle();
    while (known('bob').length < 9_850) await client.history('bob', { before: at(known('bob')[0]!), limit: 200 });
    const scrollBack = async () => {
      while (client.conversation('bob').hasEarlier) await client.earlier('bob');
    };
    await expect(scrollBack()).rejects.toMatchObject({ code: 'CONVERSATION_FULL' });
    expect([known('bob').length, known('bob')[0]]).toEqual([10_000, 20_061]);
    const before = asked().length;
    await expect(client.earlier('bob')).rejects.toMatchObject({ code: 'CONVERSATION_FULL' });
    expect(asked().length).toBe(before);
    expect((await client.history('bob', { before: at(20_061) })).items).toHaveLength(50);
    expect(known('bob').length).toBe(10_000);
    await client.close();
  });

  it('has no more conversations when it knows 1,000, and begins at the newest', async () => {
    const { client, record, online, asked } = recordStage();
    for (let n = 1; n <= 1_060; n += 1) record.add(n, `user-${n}`);
    await online();
    while (client.hasMoreConversations) await client.moreConversations();
    const names = client.conversations.map(({ with: name }) => name);
    expect([names.length, names[0], names.at(-1)]).toEqual([1_000, 'user-1060', 'user-61']);
    await client.moreConversations();
    expect(asked().filter((question) => question.startsWith('conversations'))).toHaveLength(17);
    await client.close();
  });

  it('keeps what was scrolled back to before the conversation was opened, also beside what was kept', async () => {
    const recordStore = keptStore();
    const first = recordStage({ recordStore });
    for (let n = 1; n <= 250; n += 1) first.record.add(n, 'bob');
    await first.online();
    first.client.open('bob');
    await settle();
    await pass(1_000);
    await first.client.close();

    const { client, record, online, known, asked } = recordStage({ recordStore }, first.record);
    await online();
    for (let pages = 0; pages < 3; pages += 1) await client.earlier('bob');
    expect([known('bob').length, known('bob')[0]]).toEqual([200, 51]);
    const close = client.open('bob');
    await settle();
    expect([known('bob').length, known('bob')[0], client.conversation('bob').hasEarlier]).toEqual([200, 51, true]);
    expect(asked().slice(2)).toEqual(
      ['', ' before 0201', ' before 0151', ' before 0101'].map((at) => `history bob${at}`),
    );

    close(); // As when it was never opened: the newest 100 are left when something comes.
    await settle();
    (await online()).message('id-251', record.add(251, 'bob'));
    await settle();
    expect([known('bob').length, known('bob')[0]]).toEqual([100, 152]);
    await client.close();
  });

  it('brings earlier messages also while the newest page of what was kept is on its way', async () => {
    const recordStore = keptStore();
    const first = recordStage({ recordStore });
    for (let n = 1; n <= 200; n += 1) first.record.add(n, 'bob');
    await first.online();
    first.client.open('bob');
    await settle();
    await first.client.earlier('bob');
    await pass(1_000);
    await first.client.close();

    const { client, known, online } = recordStage({ recordStore }, first.record);
    client.connect();
    await settle();
    client.open('bob');
    const earlier = client.earlier('bob');
    expect(known('bob').length).toBe(100);
    await online();
    await earlier;
    await settle();
    expect([known('bob').length, known('bob')[0]]).toEqual([100, 101]);
    await client.close();
  });

  it('has no unhandled rejection when nobody waits for what it is asked', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    const { client } = recordStage();
    void client.history('bob');
    void client.earlier('bob');
    void client.sync();
    await pass(30_000);
    await client.close();
    void client.earlier('bob');
    jest.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('shows what comes live in the order of the record, each once, also what was sent from another device', async () => {
    const { client, record, online, live, known } = recordStage();
    await online();
    client.open('bob');
    const third = record.add(3, 'bob');
    await live(third);
    await live(own(record, 1), { seq: undefined, echo: true } as never);
    await live(third);
    client.send('bob', 'mine', { id: 'id-4' });
    await settle();
    const { position } = record.add(4, 'alice', 'bob', 'mine');
    (await online()).say('receipts', [{ id: 'id-4', status: 'stored', sentAt: '2026-11-26T12:00:01.000Z', position }]);
    await settle();
    expect(known('bob')).toEqual([1, 3, 4]);
    expect(client.conversation('bob').messages.at(-1)).toMatchObject({ id: 'id-4', from: 'alice', content: 'mine' });
    expect(client.conversation('bob').unread).toBe(1);
    await client.close();
  });

  it('hands no echo to the handlers of message', async () => {
    const { client, record, online, live } = recordStage();
    const heard: string[] = [];
    client.on('message', ({ id }) => heard.push(id));
    await online();
    await live(own(record, 1), { seq: undefined, echo: true } as never);
    await live(record.add(2, 'bob'));
    expect(heard).toEqual(['id-2']);
    await client.close();
  });

  it('brings after a reconnect what it has missed, received and sent, however much it is', async () => {
    const { client, server, record, online, known, asked, errors } = recordStage();
    record.add(1, 'bob');
    await online();
    client.open('bob');
    await settle();
    server.last.end();
    for (let n = 2; n <= 500; n += 1) record.add(n, n % 2 ? 'bob' : 'alice', n % 2 ? 'alice' : 'bob');
    await pass(2_000);
    await online();
    expect(known('bob')).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
    expect(asked()).toEqual(['sync after 1', 'sync after 201', 'sync after 401', 'conversations']);
    expect(client.conversation('bob').unread).toBe(250);
    expect(errors).toEqual([]);
    await client.close();
  });

  it('puts what was committed late into its place', async () => {
    const { client, server, record, online, live, known } = recordStage();
    await online();
    await live(record.add(1, 'bob'));
    await live(record.add(5, 'bob'));
    record.add(3, 'bob');
    server.last.end();
    await pass(2_000);
    await online();
    expect(known('bob')).toEqual([1, 3, 5]);
    await client.close();
  });

  it('shows a message once, where the record has it, also when it came live with a later position', async () => {
    const { client, server, record, online, live, known } = recordStage();
    await online();
    client.open('bob');
    await live(record.add(1, 'bob'));
    // The node that had recorded it died before it told anybody, and its sender has sent it again.
    const again = record.add(3, 'bob');
    await live({ ...again, position: at(5) });
    expect(known('bob')).toEqual([1, 5]);
    server.last.end();
    await pass(2_000);
    await online();
    expect(known('bob')).toEqual([1, 3]);
    await live({ ...again, position: at(6) }, { redelivered: true } as never);
    expect([known('bob'), client.conversation('bob').unread]).toEqual([[1, 3], 2]);
    const page = await client.history('bob');
    expect(page.items.map(({ position }) => position)).toEqual([at(1), at(3)]);
    expect(known('bob')).toEqual([1, 3]);
    await client.close();
  });

  it('shows no gap when the server does not keep what it has missed', async () => {
    const { client, server, record, online, known } = recordStage();
    record.add(1, 'bob');
    record.add(2, 'bob');
    record.add(3, 'carol');
    await online();
    client.open('bob');
    await settle();
    server.last.end();
    for (let n = 10; n < 100; n += 1) record.add(n, 'bob');
    record.keptFrom = 50;
    await pass(2_000);
    await online();
    expect([known('bob')[0], known('bob').at(-1), known('bob').length]).toEqual([50, 99, 50]);
    expect(known('carol')).toEqual([3]);
    await client.close();
  });

  it('counts as read at once what is read, and tells the server once, also when it is back later', async () => {
    const { client, server, record, online, live } = recordStage();
    const first = await online();
    for (const n of [1, 2, 3]) await live(record.add(n, 'bob'));
    expect(client.conversation('bob').unread).toBe(3);
    client.markRead('bob', at(1));
    client.markRead('bob', at(2));
    await settle();
    expect(client.conversation('bob').unread).toBe(1);
    await pass(300);
    expect(first.sent.filter(({ event }) => event === 'read')).toEqual([
      { event: 'read', data: { with: 'bob', upTo: at(2) } },
    ]);
    first.end();
    client.markRead('bob');
    client.markRead('bob', at(1));
    await settle();
    expect(client.unread).toBe(0);
    await pass(2_000);
    await online();
    expect(server.last.sent.filter(({ event }) => event === 'read')).toEqual([
      { event: 'read', data: { with: 'bob', upTo: at(3) } },
    ]);
    await client.close();
  });

  it('tells again what it has read when a lost connection has swallowed it', async () => {
    const { client, server, record, online, live } = recordStage();
    server.answer = (socket, frame) => frame.event === 'read' || record.answer(socket, frame);
    await online();
    await live(record.add(1, 'bob'));
    client.markRead('bob');
    await pass(300);
    server.last.end();
    await pass(2_000);
    const second = await online();
    expect([second.count('read'), client.unread]).toEqual([1, 0]);
    await client.close();
  });

  it('follows the marks of the other side and of other devices, which never go back', async () => {
    const { client, record, server, online, live } = recordStage();
    own(record, 1);
    own(record, 2);
    await online();
    client.open('bob');
    await settle();
    const statuses = () =>
      client.conversation('bob').messages.map((message) => statusOf(client.conversation('bob'), message));
    expect(statuses()).toEqual(['sent', 'sent']);
    server.last.say('mark', { with: 'bob', user: 'bob', delivered: at(2), read: at(1) });
    server.last.say('mark', { with: 'bob', user: 'bob', delivered: at(1) });
    await settle();
    expect(statuses()).toEqual(['read', 'delivered']);
    await live(record.add(3, 'bob'));
    server.last.say('mark', { with: 'bob', user: 'alice', read: at(3) });
    await settle();
    expect(client.unread).toBe(0);
    await client.close();
  });

  it('has at its next start what was kept, and goes on from there', async () => {
    const recordStore = keptStore();
    const first = recordStage({ recordStore });
    for (let n = 1; n <= 150; n += 1) first.record.add(n, 'bob');
    await first.online();
    first.client.open('bob');
    await settle();
    await first.client.earlier('bob');
    await first.client.earlier('bob');
    await pass(1_000);
    await first.client.close();

    const second = recordStage({ recordStore }, first.record);
    second.client.connect();
    await settle();
    expect(second.known('bob').length).toBe(100);
    expect(second.client.conversation('bob')).toMatchObject({ unread: 150, hasEarlier: true });
    second.record.add(151, 'bob');
    await second.online();
    expect([second.known('bob').at(-1), second.client.unread]).toEqual([151, 151]);
    expect(second.asked()).toEqual(['sync after 150', 'conversations']);
    await second.client.clear();
    expect([second.client.conversations, [...recordStore.kept]]).toEqual([[], []]);
    await second.client.close();
  });

  it('writes with the next save, whose cursor is later, what a full disk did not take', async () => {
    const recordStore = keptStore();
    let isFull = false;
    const save: RecordStore['save'] = (entries) =>
      isFull ? Promise.reject(new Error('the disk is full')) : recordStore.save(entries);
    const first = recordStage({ recordStore: { ...recordStore, save } });
    await first.online();
    await first.live(first.record.add(1, 'bob'));
    await pass(1_000);
    first.server.answer = (socket, frame) => frame.event === 'sync' && first.record.answer(socket, frame);
    first.record.add(2, 'bob');
    isFull = true;
    const halfSynced = first.client.sync().catch((error: unknown) => error);
    await pass(1_000);
    isFull = false;
    await first.live(first.record.add(3, 'carol'));
    await pass(1_000);
    expect(first.errors).toEqual([['store', new Error('the disk is full')]]);
    await first.client.close();
    expect(await halfSynced).toMatchObject({ code: 'CLOSED' });

    const second = recordStage({ recordStore }, first.record);
    await second.online();
    expect(second.asked()).toEqual(['sync after 2', 'conversations']);
    expect([second.known('bob'), second.known('carol')]).toEqual([[1, 2], [3]]);
    await second.client.close();
  });

  it('writes nothing more when its store is closed, also of what came while it was being closed', async () => {
    const calls: string[] = [];
    let finish: () => void = () => undefined;
    const recordStore: RecordStore = {
      ...keptStore(),
      save: () => (calls.push('save'), new Promise<void>((resolve) => (finish = resolve))),
      close: async () => void calls.push('close'),
    };
    const { client, record, online, live } = recordStage({ recordStore });
    await online();
    await live(record.add(1, 'bob'));
    const closed = client.close();
    await settle();
    await live(record.add(2, 'bob'));
    finish();
    await closed;
    await pass(1_000);
    expect([calls, jest.getTimerCount()]).toEqual([['save', 'close'], 0]);
  });

  it('goes on from the beginning when what it kept cannot be read, and tells so', async () => {
    const recordStore = keptStore();
    recordStore.load = () => Promise.reject(new Error('unreadable'));
    const { client, record, online, errors, asked } = recordStage({ recordStore });
    record.add(1, 'bob');
    await online();
    expect(asked()).toEqual(['sync', 'conversations']);
    expect([client.unread, errors]).toEqual([1, [['store', new Error('unreadable')]]]);
    await client.close();
  });

  it('does not show what the server has removed by now', async () => {
    const recordStore = keptStore();
    const first = recordStage({ recordStore });
    first.record.add(1, 'bob');
    await first.online({ recordMs: 60_000 });
    await pass(1_000);
    await first.client.close();
    const known = async () => {
      const next = recordStage({ recordStore });
      next.client.connect();
      await settle();
      const messages = next.known('bob');
      await next.client.close();
      return messages;
    };
    await pass(50_000);
    expect(await known()).toEqual([1]);
    await pass(10_000);
    expect(await known()).toEqual([]);
  });

  it('asks one thing at a time, at a pace that the server allows, also beside a full outbox', async () => {
    const { client, server, record, online, known } = recordStage();
    for (let n = 1; n <= 120; n += 1) record.add(n, 'bob');
    const waiting: (() => void)[] = [];
    server.answer = (socket, frame) => {
      if (frame.event === 'send') return socket.receipt(frame.data.id!);
      waiting.push(() => record.answer(socket, frame));
    };
    client.open('bob');
    for (let n = 0; n < 100; n += 1) client.send('bob', 'x', { id: `x-${n}` });
    await online({ framesPerSecond: 10, frameBurst: 20 });
    for (let seconds = 0; seconds < 10; seconds += 1) {
      expect(waiting.length).toBeLessThanOrEqual(1);
      waiting.shift()?.();
      await pass(1_000);
    }
    expect(known('bob').length).toBe(50);
    const costs = server.last.sent.reduce((sum, { event }) => sum + (event === 'send' ? 1 : 5), 0);
    expect(costs).toBeLessThanOrEqual(20 + 10 * 10);
    await client.close();
  });

  it('asks again after a refusal for now, and after a lost connection', async () => {
    const { client, server, record, online, errors } = recordStage();
    record.add(1, 'bob');
    let refusals = 2;
    server.answer = (socket, frame) => {
      if (frame.event !== 'sync' || refusals === 0) return record.answer(socket, frame);
      refusals -= 1;
      socket.refuse(frame.data.id, { code: 'STORE_UNAVAILABLE', temporary: true });
    };
    await online();
    expect(client.conversations).toEqual([]);
    await pass(4_000);
    expect(client.conversations.length).toBe(1);

    server.answer = (_socket: FakeSocket, frame) => frame.event === 'history' && server.last.end();
    const page = client.history('bob');
    await settle();
    server.answer = (socket, frame) => record.answer(socket, frame);
    await pass(2_000);
    await online();
    expect((await page).items.length).toBe(1);
    expect(errors).toEqual([]);
    await client.close();
  });

  it('rejects what has no answer, what is refused, and everything where nothing is recorded', async () => {
    const { client, server, record, online } = recordStage();
    const early = client.history('bob').catch((error: { code: string }) => error.code);
    await pass(30_000);
    expect(await early).toBe('NO_ANSWER');
    server.answer = (socket, frame) => {
      if (frame.event === 'history') socket.refuse(frame.data.id, { code: 'NOT_ALLOWED' });
      else record.answer(socket, frame);
    };
    await online();
    await expect(client.history('bob')).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    server.last.end();
    await pass(2_000);
    await online({ recordMs: null });
    await expect(client.history('bob')).rejects.toMatchObject({ code: 'NOT_RECORDED' });
    expect([client.recordMs, server.last.sent]).toEqual([null, []]);
    const last = client.sync().catch((error: { code: string }) => error.code);
    await client.close();
    expect(await last).toBe('NOT_RECORDED');
  });

  it('syncs once more when the backlog is there, as the server has told nothing of other devices until then', async () => {
    const { client, server, record, online, asked, errors } = recordStage();
    await online();
    record.add(1, 'alice', 'bob');
    server.last.say('caught-up', { delivered: 3 });
    await settle();
    expect(asked()).toEqual(['sync', 'conversations', 'sync after 0', 'conversations']);
    expect(client.conversations.length).toBe(1);
    expect(errors).toEqual([]);
    await client.close();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells of a refusal once, and tries again when there was no answer', async () => {
    const { client, server, record, online, errors } = recordStage();
    server.answer = (socket, frame) => frame.event === 'sync' && socket.refuse(frame.data.id, { code: 'NOT_ALLOWED' });
    await online();
    await pass(120_000);
    expect(errors).toEqual([['record', 'NOT_ALLOWED']]);
    server.answer = (socket, frame) => {
      if (frame.event === 'ping') socket.say('pong', {});
      if (frame.event === 'sync') socket.refuse(frame.data.id, { code: 'STORE_UNAVAILABLE', temporary: true });
    };
    server.last.end();
    await pass(2_000);
    await online();
    await pass(31_000);
    server.answer = (socket, frame) => {
      if (frame.event === 'ping') socket.say('pong', {});
      record.answer(socket, frame);
    };
    record.add(1, 'bob');
    await pass(61_000);
    expect([client.conversations.length, errors.length]).toEqual([1, 1]);
    await client.close();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('moves its cursor on while messages come live, so that a reconnect does not bring them all again', async () => {
    const { client, record, online, live, asked } = recordStage();
    await online();
    for (let n = 1; n <= 100; n += 1) await live(record.add(n, 'bob'));
    expect(asked()).toEqual(['sync', 'conversations', 'sync after 0', 'conversations']);
    expect(client.conversation('bob').unread).toBe(100);
    await client.close();
  });
});

describe('fileRecord', () => {
  it('keeps the record in a file, and leaves alone a file of somebody else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-record-'));
    try {
      const path = join(folder, 'alice.record');
      const store = fileRecord(path);
      expect(await store.load()).toEqual([]);
      await store.save([
        ['bob', { content: 'שלום\n"' }],
        ['carol', 1],
      ]);
      await store.save([['carol', null]]);
      expect(await fileRecord(path).load()).toEqual([['bob', { content: 'שלום\n"' }]]);
      await store.clear();
      expect(await fileRecord(path).load()).toEqual([]);
      await writeFile(path, '{"mine":1}');
      const other = fileRecord(path);
      await expect(other.load()).rejects.toThrow('not a record');
      await expect(other.save([['bob', 1]])).rejects.toThrow('not a record');
      expect(await readFile(path, 'utf8')).toBe('{"mine":1}');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
