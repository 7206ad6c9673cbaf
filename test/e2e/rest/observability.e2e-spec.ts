import { jest } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { Registry } from 'prom-client';
import { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { ERROR_CODES } from '../../../src/protocol/chat-error.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { alone } from '../../support/test-nodes.js';

let chat: ChatApp;
let clock: ManualClock;

async function start(options: Partial<ChatOptions> = {}): Promise<void> {
  clock = new ManualClock();
  chat = await ChatApp.start({ clock, ...options });
}

async function scrape(of = chat): Promise<string> {
  const response = await of.scrape();
  expect(response.status).toBe(200);
  expect(response.headers.get('Content-Type')).toMatch(/^text\/plain; version=0\.0\.4; charset=utf-8$/);
  return response.text();
}

/** Every sample by its name with its labels, such as `holdfast_connections{protocol="text"}`. */
async function samples(of = chat): Promise<Record<string, number>> {
  const lines = (await scrape(of)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** What the scrape says of the counters of the promise, under the names of `/chat/stats`. */
async function totalsScraped(): Promise<Record<string, number>> {
  const all = await samples();
  const names = { pending: 'pending', inFlight: 'in_flight', recovered: 'recovered' } as const;
  const counters = ['accepted', 'confirmed', 'expired', 'purged', 'evicted', 'replaced', 'absent'];
  return Object.fromEntries([
    ...Object.entries(names).map(([name, metric]) => [name, all[`holdfast_messages_${metric}`]]),
    ['handedOver', all['holdfast_messages_handed_over_total']],
    ...counters.map((name) => [name, all[`holdfast_messages_${name}_total`]]),
  ]);
}

/** Makes every insert fail; returns a function that ends this. */
function breakDisk(): { repair(): void } {
  const insert = jest.spyOn(OfflineMessageTable.prototype, 'insert').mockRejectedValue(new Error('SQLITE_FULL'));
  return { repair: () => insert.mockRestore() };
}

/** Sends a message that the server fails to store, and waits for the refusal. */
async function failOnce(): Promise<void> {
  const alice = await chat.connectJson('alice');
  alice.sendJson('send', { to: 'nobody', content: 'x' });
  expect((await alice.until('exception')).data).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await alice.close();
}

describe('GET /metrics', () => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await chat.dispose();
  });

  it('says the same as GET /chat/stats, whatever became of the messages', async () => {
    await start({ heartbeatMs: 600_000, retentionMs: 60_000, maxPendingPerUser: 2, overflow: 'evict-oldest' });
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    alice.sendJson('send', { to: 'bob', content: 'confirmed' });
    await bob.until('message');
    bob.sendJson('ack', { seq: 1 });
    await chat.untilTotals({ confirmed: 1 });
    alice.sendJson('send', { to: 'old', content: 'expires' });
    await chat.untilPending('old', 1);
    await chat.pass(clock, 59_000);
    alice.sendJson('send', { to: 'gone', content: 'is purged' });
    for (const content of ['is evicted', 'stays', 'stays']) alice.sendJson('send', { to: 'dave', content });
    await chat.untilTotals({ accepted: 6, evicted: 1 });
    await chat.rest('DELETE', '/chat/pending/gone');
    await chat.pass(clock, 20_000);
    await chat.untilTotals({ expired: 1 });
    for (const content of ['is replaced', 'replaces it'])
      alice.sendJson('send', { to: 'eve', content, topic: 'weather' });
    alice.sendJson('send', { to: 'nobody', content: 'is absent', ttl: 0 });
    await chat.untilTotals({ replaced: 1, absent: 1 });
    alice.sendJson('send', { to: 'bob', content: 'in flight' });
    await bob.until('message');
    const { body } = await chat.rest('GET', '/chat/stats');
    expect(body.messages).toEqual({
      accepted: 9,
      confirmed: 1,
      pending: 3,
      inFlight: 1,
      expired: 1,
      purged: 1,
      evicted: 1,
      replaced: 1,
      handedOver: 0,
      recovered: 0,
      absent: 1,
    });
    expect(await totalsScraped()).toEqual(body.messages);
    expect(await totalsScraped()).toEqual(body.messages); // A read does not change the metrics.
    chat = await chat.restart();
    expect(await totalsScraped()).toMatchObject({ accepted: 4, pending: 4, recovered: 4, confirmed: 0 });
  });

  it('counts refusals by their code, over every door, and broadcasts', async () => {
    await start({ maxPendingPerUser: 1, maxContentBytes: 10 });
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connect('bob')];
    alice.sendJson('send', { to: 'carol', content: 'fits' });
    await alice.until('receipts');
    alice.sendJson('send', { to: 'carol', content: 'too many' });
    await alice.until('exception');
    bob.send('|to nobody');
    bob.send('carol|too many');
    bob.send(`alice|${'x'.repeat(11)}`);
    for (let n = 0; n < 3; n += 1) expect(await bob.next()).toMatch(/^error: /);
    bob.send('to all');
    expect((await alice.until('message')).data).toMatchObject({ content: 'to all' });
    expect((await chat.rest('POST', '/chat/messages', { from: 'a', to: 'carol', content: 'x' })).status).toBe(429);
    expect((await chat.rest('POST', '/chat/messages', { from: 'a', to: 'b', content: 'x'.repeat(11) })).status).toBe(
      413,
    );
    const all = await samples();
    const refused = Object.fromEntries(
      Object.keys(ERROR_CODES).map((code) => [code, all[`holdfast_refusals_total{code="${code}"}`]]),
    );
    expect(refused).toEqual({
      ...Object.fromEntries(Object.keys(ERROR_CODES).map((code) => [code, 0])),
      MAILBOX_FULL: 3,
      NO_RECIPIENT: 1,
      CONTENT_TOO_LARGE: 2,
    });
    expect(all).toMatchObject({ holdfast_broadcasts_total: 1, holdfast_messages_accepted_total: 1 });
  });

  it('counts who was told that something waits: nobody, as the server has no listeners', async () => {
    await start();
    const outcomes = async () => {
      const all = await samples();
      return ['told', 'failed'].map((outcome) => all[`holdfast_waiting_total{outcome="${outcome}"}`]);
    };
    expect(await outcomes()).toEqual([0, 0]);
    chat.delivery.ledger.countWaiting('told');
    for (let n = 0; n < 2; n += 1) chat.delivery.ledger.countWaiting('failed');
    expect(await outcomes()).toEqual([1, 2]);
  });

  it('counts who is connected, by protocol', async () => {
    await start({ sessions: 'multiple' });
    await chat.connect('alice');
    for (const user of ['bob', 'bob']) await chat.connectJson(user);
    expect(await samples()).toMatchObject({
      'holdfast_connections{protocol="text"}': 1,
      'holdfast_connections{protocol="json"}': 2,
      holdfast_users: 2,
    });
  });

  it('measures every commit: how long it took and how many rows it had', async () => {
    await start();
    const of = (statement: string) => ({
      commits: `holdfast_store_commit_seconds_count{statement="${statement}"}`,
      sum: `holdfast_store_commit_seconds_sum{statement="${statement}"}`,
      groups: `holdfast_store_commit_rows_count{statement="${statement}"}`,
      rows: `holdfast_store_commit_rows_sum{statement="${statement}"}`,
    });
    const [inserts, deletes] = [of('insert'), of('delete')];
    expect(await samples()).toMatchObject({ [inserts.commits]: 0, [inserts.rows]: 0, [deletes.commits]: 0 });
    const alice = await chat.connect('alice');
    for (let n = 0; n < 5; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 5);
    await chat.rest('DELETE', '/chat/pending/bob');
    const all = await samples();
    expect(all).toMatchObject({ [inserts.rows]: 5, [deletes.rows]: 5, [deletes.commits]: 1 });
    expect(all[inserts.commits]).toBe(all[inserts.groups]);
    expect(all[inserts.sum]).toBeGreaterThan(0);
    expect(all['holdfast_store_commit_rows_bucket{le="+Inf",statement="delete"}']).toBe(1);
  });

  it('shows what waits for a commit', async () => {
    await start();
    const alice = await chat.connect('alice');
    const disk = chat.blockDisk();
    alice.send('bob|first');
    const depth = async () => {
      const { holdfast_store_queue_bytes: bytes, ...all } = await samples();
      return { rows: all['holdfast_store_queue_rows{statement="insert"}'], bytes };
    };
    await disk.begun;
    alice.send('bob|4444');
    await eventually(async () => (await depth()).bytes === 4);
    disk.release();
    await chat.untilPending('bob', 2);
    expect(await depth()).toEqual({ rows: 0, bytes: 0 });
  });

  it('has the delay of the event loop and the memory of the process', async () => {
    await start();
    const all = await samples();
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
    ])
      expect(all[name]).toEqual(expect.any(Number));
  });

  it('holds no name and no content', async () => {
    await start({ maxPendingPerUser: 1 });
    const alice = await chat.connectJson('Alice-In-Wonderland');
    for (let n = 0; n < 2; n += 1)
      alice.sendJson('send', { to: 'The-White-Rabbit', content: 'Oh dear!', id: 'tea-party' });
    alice.sendJson('send', { to: 'The-White-Rabbit', content: 'Curiouser!' });
    alice.sendJson('Off-With-Her-Head', {});
    await alice.until('exception');
    await alice.until('exception');
    expect(await scrape()).not.toMatch(/alice|wonderland|rabbit|dear|curiouser|tea-party|her-head/i);
  });

  it('is made once a second, whoever asks and how often', async () => {
    await start();
    const collections = jest.spyOn(Registry.prototype, 'metrics');
    const ask = async () => (await fetch(`http://127.0.0.1:${chat.port}/metrics`)).text();
    const texts = await Promise.all(Array.from({ length: 50 }, ask));
    texts.push(await ask());
    expect(new Set(texts).size).toBe(1);
    expect(collections).toHaveBeenCalledTimes(2); // The metrics of the chat, and those of the process.
    await chat.connect('alice');
    clock.advance(999);
    expect(await ask()).toContain('holdfast_users 0');
    clock.advance(1);
    expect(await ask()).toContain('holdfast_users 1');
    expect(collections).toHaveBeenCalledTimes(4);
  });

  it('is made anew after it failed', async () => {
    await start();
    const ask = () => fetch(`http://127.0.0.1:${chat.port}/metrics`);
    jest.spyOn(Registry.prototype, 'metrics').mockRejectedValueOnce(new Error('out of numbers'));
    expect((await ask()).status).toBe(500);
    expect((await ask()).status).toBe(200);
  });

  alone('metrics').it('keeps the numbers of two applications in one process apart', async () => {
    await start();
    const other = await ChatApp.start();
    const alice = await chat.connect('alice');
    alice.send('bob|x');
    await chat.untilPending('bob', 1);
    expect(await samples()).toMatchObject({ holdfast_messages_accepted_total: 1, holdfast_users: 1 });
    expect(await samples(other)).toMatchObject({ holdfast_messages_accepted_total: 0, holdfast_users: 0 });
    await other.dispose();
    expect(await samples()).toMatchObject({ holdfast_messages_accepted_total: 1 });
  });
});

describe('GET /health', () => {
  afterEach(() => jest.restoreAllMocks());

  it('is live and ready when the server is', async () => {
    await start();
    expect(await chat.rest('GET', '/health/live')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await chat.rest('GET', '/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ok', details: { store: { status: 'up' }, server: { status: 'up' } } },
    });
    await chat.dispose();
  });

  it('is not ready while the store fails, and ready again by itself when it works', async () => {
    await start();
    const disk = breakDisk();
    await failOnce();
    for (let tries = 0; tries < 3; tries += 1) {
      const { status, body } = await chat.rest('GET', '/health/ready');
      expect({ status, body }).toMatchObject({
        status: 503,
        body: { statusCode: 503, code: 'NOT_READY', message: expect.stringMatching(/store/), error: { store: {} } },
      });
      expect(body.details.server).toEqual({ status: 'up' });
      expect((await chat.rest('GET', '/health/live')).status).toBe(200);
      await oneProbe();
    }
    expect(await samples()).toMatchObject({ holdfast_store_healthy: 0 });
    expect((await samples())['holdfast_store_failures_total']).toBeGreaterThan(3);
    disk.repair();
    await eventually(async () => {
      clock.advance(250);
      return (await chat.rest('GET', '/health/ready')).status === 200;
    });
    expect(await samples()).toMatchObject({ holdfast_store_healthy: 1 });
    expect((await chat.rest('GET', '/chat/pending')).body).toMatchObject({ items: [], total: 0 });
    await chat.dispose();
  });

  it('does not take a successful read for a store that works', async () => {
    await start();
    breakDisk();
    await failOnce();
    expect((await chat.rest('GET', '/chat/pending')).status).toBe(200);
    expect((await chat.rest('DELETE', '/chat/pending/nobody')).body).toEqual({ purged: 0 });
    expect((await chat.rest('GET', '/health/ready')).status).toBe(503);
    await chat.dispose();
  });

  it('lets a message through at once when the store works again, without waiting for the next try', async () => {
    await start();
    const disk = breakDisk();
    await failOnce();
    disk.repair();
    const { status } = await chat.rest('POST', '/chat/messages', { from: 'alice', to: 'bob', content: 'x' });
    expect(status).toBe(201);
    await eventually(async () => (await chat.rest('GET', '/health/ready')).status === 200);
    await chat.dispose();
  });

  it('takes the row of a probe in whose middle the server was killed for nobody’s message', async () => {
    await start();
    const disk = breakDisk();
    const remove = jest.spyOn(OfflineMessageTable.prototype, 'remove').mockRejectedValue(new Error('SQLITE_IOERR'));
    await failOnce();
    disk.repair();
    await oneProbe(); // The row of the probe is inserted, and the server is killed before it is deleted.
    const folder = await chat.stop();
    remove.mockRestore();
    chat = await ChatApp.start({}, folder);
    expect(chat.delivery.totals).toMatchObject({ accepted: 0, pending: 0, recovered: 0 });
    expect((await chat.rest('GET', '/chat/pending')).body).toMatchObject({ items: [], total: 0 });
    await chat.dispose();
  });

  it('is live but not ready while the server goes away', async () => {
    await start();
    const silent = await chat.connect('silent');
    silent.socket.pause(); // It does not answer the close frame, so the server waits for it.
    const stopped = chat.app.close();
    await eventually(async () => (await chat.rest('GET', '/health/ready')).status === 503);
    expect((await chat.rest('GET', '/health/ready')).body).toMatchObject({
      code: 'NOT_READY',
      message: 'the server is going away',
      details: { store: { status: 'up' }, server: { status: 'down' } },
    });
    expect(await chat.rest('GET', '/health/live')).toEqual({ status: 200, body: { status: 'ok' } });
    let done = false;
    void stopped.then(() => (done = true));
    await eventually(() => {
      clock.advance(1_000);
      return done;
    });
    await silent.drop();
    await rm(chat.folder, { recursive: true, force: true });
  });

  alone('process').it('leaves nothing running, even when the store failed to the end', async () => {
    await start();
    await chat.dispose(); // What a process starts only once is started now.
    const before = handles();
    for (let n = 0; n < 5; n += 1) {
      chat = await ChatApp.start();
      const disk = breakDisk();
      await failOnce();
      await scrape();
      await chat.dispose();
      disk.repair();
    }
    await eventually(
      () => handles().length <= before.length,
      () => `${handles().join()} is no more than ${before.join()}`,
    );
    expect(handles().length).toBeLessThanOrEqual(before.length);
  });
});

function handles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|FSReq/.test(kind));
}

/** Lets the store be probed once. */
async function oneProbe(): Promise<void> {
  const tries = async () => (await samples())['holdfast_store_failures_total']!;
  const before = await tries();
  clock.advance(250);
  await eventually(async () => (await tries()) > before);
}
