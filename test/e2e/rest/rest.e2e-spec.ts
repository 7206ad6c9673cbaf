import { jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { PendingListTable } from '../../../src/offline-messages/pending-list.table.js';
import { PendingLists } from '../../../src/offline-messages/pending-lists.js';
import { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { ChatApp } from '../../support/chat-app.js';
import { ManualClock } from '../../support/manual-clock.js';
import { ApiDocument } from '../../support/openapi.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Names that are users, with their only spelling. */
const NAMES = [
  ['bob', 'bob'],
  [' bob\t', 'bob'],
  ['Bob', 'Bob'],
  ['cafe\u0301', 'caf\u00e9'],
  ['a b/c?d#e', 'a b/c?d#e'],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['%2e%2e%2f', '%2e%2e%2f'],
  ['\u0639\u0644\u06cc\u200c\u0631\u0636\u0627', '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627'],
  ['Anna \u2764', 'Anna \u2764\ufe0f'],
  ["'; DROP TABLE holdfast_offline_message; --", "'; DROP TABLE holdfast_offline_message; --"],
  ['\u00e9'.repeat(64), '\u00e9'.repeat(64)],
] as const;

/** Texts that are not a user name, at any door. */
const NO_NAMES = [
  '  ',
  'a|b',
  'a\0',
  'a\nb',
  'b\u200bob',
  'b\u202eob',
  'b\ufeffob',
  '\ufffd',
  'a  b',
  'a\u00a0b',
  '\u00e9'.repeat(65),
];

let chat: ChatApp;
let api: ApiDocument;

async function start(options: Partial<ChatOptions> = {}): Promise<void> {
  chat = await ChatApp.start(options);
  api = new ApiDocument(chat.app);
}

/** Makes a REST call and checks its answer against the OpenAPI document. */
async function call(method: string, path: string, body?: unknown) {
  const answer = await chat.rest(method, path, body);
  api.check(method, path, answer.status, answer.body);
  return answer;
}

/** Makes a call that is refused with this status and code, and checks the shape of the answer. */
async function refused(status: number, code: string, method: string, path: string, body?: unknown): Promise<string> {
  const answer = await call(method, path, body);
  expect(answer).toEqual({ status, body: { statusCode: status, code, message: expect.any(String) } });
  return answer.body.message as string;
}

async function post(from: string, to: string, content: string, id?: string) {
  const { status, body } = await call('POST', '/chat/messages', { from, to, content, id });
  return { status, receipt: body as { id: string; status: string; sentAt: string } };
}

/** All pages of a list, by their cursors. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function pages(path: string): Promise<any[][]> {
  const all = [];
  for (let cursor = ''; ;) {
    const { body } = await call('GET', `${path}${cursor && `&cursor=${cursor}`}`);
    all.push(body.items);
    if (all.length > 10) throw new Error(`${path} has no end: ${JSON.stringify(all)}`);
    if (body.nextCursor === null) return all;
    cursor = body.nextCursor;
  }
}

describe('the REST calls', () => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await chat.dispose();
  });

  describe('GET /chat/connections', () => {
    it('lists who is connected, oldest first, with what went over each connection', async () => {
      await start();
      const alice = await chat.connect('alice');
      const bob = await chat.connectJson('bob');
      alice.send('bob|hello');
      await bob.until('message');
      const { body } = await call('GET', '/chat/connections');
      expect(body).toEqual({
        items: [
          {
            id: expect.stringMatching(/^[0-9a-f-]{36}$/),
            user: 'alice',
            protocol: 'text',
            remoteAddress: '127.0.0.1',
            connectedAt: expect.stringMatching(ISO_TIME),
            lastSeenAt: expect.stringMatching(ISO_TIME),
            sent: 0,
            received: 1,
            inFlight: 0,
            bufferedBytes: 0,
          },
          expect.objectContaining({ user: 'bob', protocol: 'json', sent: 1, received: 0, inFlight: 1 }),
        ],
        total: 2,
        nextCursor: null,
      });
      bob.sendJson('ack', { seq: 1 });
      await chat.untilTotals({ confirmed: 1 });
      expect((await call('GET', '/chat/connections?user=bob')).body.items[0]).toMatchObject({
        received: 1,
        inFlight: 0,
      });
    });

    it('lists the connections of one user, by any spelling of the name', async () => {
      await start({ sessions: 'multiple' });
      for (const user of ['caf\u00e9', 'other', 'cafe\u0301']) await chat.connectJson(user);
      const { body } = await call('GET', `/chat/connections?user=${encodeURIComponent(' cafe\u0301')}`);
      expect(body.items.map(({ user }: { user: string }) => user)).toEqual(['caf\u00e9', 'caf\u00e9']);
      expect(body.total).toBe(2);
      const twoPages = await pages('/chat/connections?user=caf%C3%A9&limit=1');
      expect(twoPages.map((page) => page.length)).toEqual([1, 1]);
      expect((await call('GET', '/chat/connections?user=nobody')).body).toEqual({
        items: [],
        total: 0,
        nextCursor: null,
      });
    });

    it('pages to the end without a gap or a repeat', async () => {
      await start();
      const users = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
      for (const user of users) await chat.connectJson(user);
      const found = await pages('/chat/connections?limit=3');
      expect(found.map((page) => page.length)).toEqual([3, 3, 1]);
      expect(found.flat().map(({ user }) => user)).toEqual(users);
      expect((await pages('/chat/connections?limit=7')).map((page) => page.length)).toEqual([7]);
    });

    it('goes on where a page ended when the last connection of that page has left', async () => {
      await start();
      const [, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob'), await chat.connectJson('carol')];
      const first = (await call('GET', '/chat/connections?limit=2')).body;
      await bob.drop();
      await chat.untilOffline('bob');
      await chat.connectJson('dave');
      const { body } = await call('GET', `/chat/connections?limit=2&cursor=${first.nextCursor}`);
      expect(body.items.map(({ user }: { user: string }) => user)).toEqual(['carol', 'dave']);
      expect(body.nextCursor).toBeNull();
    });
  });

  describe('a connection', () => {
    it('is shown by its id', async () => {
      await start();
      await chat.connect('alice');
      const [listed] = (await call('GET', '/chat/connections')).body.items;
      expect((await call('GET', `/chat/connections/${listed.id}`)).body).toEqual(listed);
    });

    it('is closed with 4403 by DELETE, and gone afterwards', async () => {
      await start();
      const alice = await chat.connect('alice');
      const bob = await chat.connect('bob');
      const [{ id }] = (await call('GET', '/chat/connections?user=alice')).body.items;
      expect(await call('DELETE', `/chat/connections/${id}`)).toEqual({ status: 204, body: null });
      await alice.expectClose(4403);
      await chat.untilOffline('alice');
      await refused(404, 'NO_SUCH_CONNECTION', 'GET', `/chat/connections/${id}`);
      await refused(404, 'NO_SUCH_CONNECTION', 'DELETE', `/chat/connections/${id}`);
      await bob.expectNothingElse('bob');
    });

    it('may still acknowledge what it got before it is closed by DELETE, and do nothing else', async () => {
      await start({ clock: new ManualClock() });
      const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
      await alice.nextJson('caught-up');
      alice.sendJson('send', { to: 'bob', content: 'x', id: 'm-1' });
      await bob.until('message');
      const [{ id }] = (await call('GET', '/chat/connections?user=bob')).body.items;
      expect((await call('DELETE', `/chat/connections/${id}`)).status).toBe(204);
      bob.sendJson('send', { to: 'alice', content: 'too late', id: 'm-2' });
      bob.sendJson('ack', { seq: 1 });
      await bob.expectClose(4403);
      expect((await alice.nextJson('receipts')).data).toMatchObject([{ id: 'm-1', status: 'delivered' }]);
      await alice.expectNothingElse('alice');
    });

    it('that never was answers 404', async () => {
      await start();
      for (const id of ['nobody', '__proto__', 'constructor', '01a20702-e79a-727f-8aa3-0a0dd1682130']) {
        expect(await refused(404, 'NO_SUCH_CONNECTION', 'GET', `/chat/connections/${id}`)).toContain(
          'no open connection',
        );
      }
    });
  });

  describe('GET /chat/users/:user', () => {
    it('tells online, offline and unknown apart, and how much waits', async () => {
      await start({ sessions: 'multiple' });
      await chat.connectJson('alice');
      await chat.connectJson('alice');
      const bob = await chat.connectJson('bob');
      const sentAt = Date.now();
      bob.sendJson('send', { to: 'carol', content: 'x' });
      await bob.until('receipts');
      await bob.drop();
      await chat.untilOffline('bob');
      expect((await call('GET', '/chat/users/alice')).body).toEqual({
        user: 'alice',
        online: true,
        connections: 2,
        pending: 0,
        lastSeenAt: expect.stringMatching(ISO_TIME),
      });
      const { body } = await call('GET', '/chat/users/bob');
      expect(body).toMatchObject({ online: false, connections: 0, pending: 0 });
      expect(Date.parse(body.lastSeenAt)).toBeGreaterThanOrEqual(sentAt);
      expect((await call('GET', '/chat/users/carol')).body).toEqual({
        user: 'carol',
        online: false,
        connections: 0,
        pending: 1,
        lastSeenAt: null,
      });
    });

    it('knows after a restart what waits, and when its user was last seen', async () => {
      await start();
      await (await chat.connectJson('bob')).drop();
      await chat.untilOffline('bob');
      await post('alice', 'bob', 'hello');
      chat = await chat.restart();
      expect((await call('GET', '/chat/users/bob')).body).toMatchObject({
        online: false,
        pending: 1,
        lastSeenAt: expect.stringMatching(ISO_TIME),
      });
    });
  });

  describe('GET /chat/pending', () => {
    it('lists the mailboxes by name, page by page, or most first and those of one size by name', async () => {
      await start();
      for (const to of ['dora', 'bob', 'anna', 'carl', 'bob', 'anna', 'dora', 'dora'])
        await post('eve', to, '\u00e9t\u00e9');
      const { body } = await call('GET', '/chat/pending');
      expect(body.items.map(({ user, count, bytes }: Record<string, unknown>) => [user, count, bytes])).toEqual([
        ['anna', 2, 10],
        ['bob', 2, 10],
        ['carl', 1, 5],
        ['dora', 3, 15],
      ]);
      expect(body).toMatchObject({ total: 4, nextCursor: null });
      const found = await pages('/chat/pending?limit=1');
      expect(found.map(([item]) => item)).toEqual(body.items);
      const [anna, bob, carl, dora] = body.items;
      expect((await call('GET', '/chat/pending?order=most')).body).toEqual({
        items: [dora, anna, bob, carl],
        total: 4,
        nextCursor: null,
      });
      expect((await call('GET', '/chat/pending?order=most&limit=1')).body).toEqual({
        items: [dora],
        total: 4,
        nextCursor: null,
      });
    });

    it('tells when the oldest and the newest were sent', async () => {
      await start();
      const receipts = [];
      for (const content of ['1', '2', '3']) receipts.push((await post('alice', 'bob', content)).receipt.sentAt);
      const [mailbox] = (await call('GET', '/chat/pending')).body.items;
      expect([mailbox.oldest, mailbox.newest]).toEqual([receipts[0], receipts[2]]);
    });

    it('is empty when nothing waits', async () => {
      await start();
      expect((await call('GET', '/chat/pending')).body).toEqual({ items: [], total: 0, nextCursor: null });
      expect((await call('GET', '/chat/pending/bob')).body).toEqual({ items: [], total: 0, nextCursor: null });
    });
  });

  describe('GET /chat/pending/:user', () => {
    it('lists the messages in order, page by page', async () => {
      await start();
      const contents = ['5', '4', '3', '2', '1'];
      const ids = [];
      for (const content of contents) ids.push((await post(`from ${content}`, 'bob', content)).receipt.id);
      await post('alice', 'carol', 'not this one');
      const { body } = await call('GET', '/chat/pending/bob');
      expect(body.total).toBe(5);
      expect(body.items[0]).toEqual({
        id: ids[0],
        from: 'from 5',
        to: 'bob',
        content: '5',
        sentAt: expect.stringMatching(ISO_TIME),
        storedAt: expect.stringMatching(ISO_TIME),
      });
      expect(body.items.map(({ content }: { content: string }) => content)).toEqual(contents);
      const found = await pages('/chat/pending/bob?limit=2');
      expect(found.map((page) => page.length)).toEqual([2, 2, 1]);
      expect(found.flat()).toEqual(body.items);
    });
  });

  describe('a purge', () => {
    it('deletes a whole mailbox, also one of more rows than one statement takes, and no other', async () => {
      await start({ maxPendingPerSender: null });
      const alice = await chat.connect('alice');
      for (let number = 0; number < 501; number += 1) alice.send(`bob|${number}`);
      await chat.untilPending('bob', 501);
      await post('alice', 'carol', 'stays');
      expect((await call('DELETE', '/chat/pending/bob')).body).toEqual({ purged: 501 });
      expect((await call('DELETE', '/chat/pending/bob')).body).toEqual({ purged: 0 });
      expect((await call('GET', '/chat/pending')).body.items).toMatchObject([{ user: 'carol', count: 1 }]);
      await chat.untilTotals({ accepted: 502, purged: 501, pending: 1 });
      await (await chat.connect('bob')).expectNothingElse('bob');
    });

    it('deletes one message of one sender', async () => {
      await start();
      for (const id of ['m1', 'm2', 'm3']) await post('alice', 'bob', id, id);
      await post('carol', 'bob', "carol's m2", 'm2');
      expect((await call('DELETE', '/chat/pending/bob/alice/m2')).body).toEqual({ purged: 1 });
      expect((await call('DELETE', '/chat/pending/bob/alice/m2')).body).toEqual({ purged: 0 });
      expect((await call('DELETE', '/chat/pending/bob/dave/m1')).body).toEqual({ purged: 0 });
      const bob = await chat.connect('bob');
      const came = await bob.take(3);
      expect(came.map((frame) => frame.slice(25))).toEqual(['m1', 'm3', "carol's m2"]);
      await chat.untilTotals({ accepted: 4, purged: 1, confirmed: 3, pending: 0 });
    });

    it('reaches what is in flight to a connected recipient, and leaves the way free for what comes next', async () => {
      await start({ ackWindow: 2 });
      const bob = await chat.connectJson('bob');
      await bob.nextJson('caught-up');
      const alice = await chat.connect('alice');
      for (const content of ['1', '2', '3', '4', '5']) alice.send(`bob|${content}`);
      await chat.untilPending('bob', 5);
      expect((await call('DELETE', '/chat/pending/bob')).body).toEqual({ purged: 5 });
      chat.expectBalanced();
      expect((await call('GET', '/chat/users/bob')).body).toMatchObject({ online: true, pending: 0 });
      for (const content of ['1', '2']) expect((await bob.nextJson('message')).data.content).toBe(content);
      bob.sendJson('ack', { seq: 2 });
      const next = post('alice', 'bob', 'next');
      expect((await bob.until('message')).data).toMatchObject({ content: 'next', seq: 3 });
      bob.sendJson('ack', { seq: 3 });
      expect((await next).status).toBe(201);
      await chat.untilTotals({ accepted: 6, purged: 5, confirmed: 1, pending: 0, inFlight: 0 });
    });

    it('reaches what was written to one connection of a user, and keeps it from the other', async () => {
      await start({ ackWindow: 2, sessions: 'multiple' });
      const [fast, slow] = [await chat.connectJson('bob'), await chat.connectJson('bob')];
      const alice = await chat.connect('alice');
      for (const content of ['1', '2']) alice.send(`bob|${content}`);
      for (const content of ['1', '2']) expect((await fast.until('message')).data.content).toBe(content);
      fast.sendJson('ack', { seq: 2 });
      await chat.untilTotals({ confirmed: 2 });
      // The window of the slow one is full. These are written to the fast one only, and stored for the other.
      for (const content of ['3', '4']) expect((await post('alice', 'bob', content)).receipt.status).toBe('stored');
      expect((await call('DELETE', '/chat/pending/bob')).body).toEqual({ purged: 2 });
      for (const content of ['1', '2']) expect((await slow.until('message')).data.content).toBe(content);
      slow.sendJson('ack', { seq: 2 });
      await post('alice', 'bob', '5');
      expect((await slow.until('message')).data).toMatchObject({ content: '5', seq: 3 });
    });

    it('makes room for new messages', async () => {
      await start({ maxPendingPerUser: 1 });
      await post('alice', 'bob', '1');
      expect((await post('alice', 'bob', '2')).status).toBe(429);
      await call('DELETE', '/chat/pending/bob');
      expect((await post('alice', 'bob', '3')).status).toBe(201);
    });
  });

  describe('POST /chat/messages', () => {
    it('delivers to a recipient who is connected', async () => {
      await start();
      const bob = await chat.connect('bob');
      const { status, receipt } = await post('alice', 'bob', 'hello');
      expect(status).toBe(201);
      expect(receipt).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        status: 'delivered',
        sentAt: expect.stringMatching(ISO_TIME),
      });
      expect(await bob.next()).toBe('hello');
    });

    it('stores for a recipient who is not, and shows what it stored', async () => {
      await start();
      const { status, receipt } = await post('alice', 'bob', 'hello', 'my-id');
      expect(status).toBe(201);
      expect(receipt).toEqual({ id: 'my-id', status: 'stored', sentAt: expect.stringMatching(ISO_TIME) });
      const [waiting] = (await call('GET', '/chat/pending/bob')).body.items;
      expect(waiting).toMatchObject({ id: 'my-id', from: 'alice', content: 'hello', sentAt: receipt.sentAt });
      expect(await (await chat.connect('bob')).next()).toBe(`${receipt.sentAt}:hello`);
    });

    it('sends a broadcast to everybody who is connected, and counts them', async () => {
      await start();
      const clients = [await chat.connect('alice'), await chat.connectJson('bob')];
      const { status, body } = await call('POST', '/chat/messages', {
        from: 'alice',
        content: 'all',
        broadcast: true,
        id: 'b',
      });
      expect(status).toBe(201);
      expect(body).toEqual({ id: 'b', status: 'broadcast', sentAt: expect.stringMatching(ISO_TIME), recipients: 2 });
      expect(await clients[0]!.next()).toBe('all');
      expect((await clients[1]!.until('message')).data).toMatchObject({
        from: 'alice',
        to: '*',
        content: 'all',
        id: 'b',
      });
      expect((await call('GET', '/chat/stats')).body.messages.accepted).toBe(0);
    });

    it('answers the repeat of a message that was delivered with 200 and the first receipt', async () => {
      await start();
      const bob = await chat.connect('bob');
      const first = await post('alice', 'bob', 'once', 'm1');
      expect(first).toMatchObject({ status: 201, receipt: { status: 'delivered' } });
      expect(await post('alice', 'bob', 'twice', 'm1')).toEqual({ status: 200, receipt: first.receipt });
      expect((await post('carol', 'bob', 'from another', 'm1')).status).toBe(201);
      expect(await bob.take(2)).toEqual(['once', 'from another']);
    });

    it('answers the repeat of a message that was stored with 200 and the first receipt', async () => {
      await start();
      const first = await post('alice', 'bob', 'once', 'm1');
      expect(first).toMatchObject({ status: 201, receipt: { status: 'stored' } });
      expect(await post('alice', 'bob', 'twice', 'm1')).toEqual({ status: 200, receipt: first.receipt });
      expect((await post('alice', 'carol', 'to another', 'm1')).status).toBe(201);
      const { body } = await call('GET', '/chat/pending/bob');
      expect(body).toMatchObject({ items: [{ id: 'm1', content: 'once' }], total: 1 });
    });

    it('answers a repeat that comes before the first receipt with the same', async () => {
      await start();
      const both = await Promise.all([post('alice', 'bob', 'once', 'm1'), post('alice', 'bob', 'once', 'm1')]);
      expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 201]));
      expect(both[0]!.receipt).toEqual(both[1]!.receipt);
      expect((await call('GET', '/chat/pending/bob')).body.total).toBe(1);
    });

    it('answers a repeat after a restart from the store', async () => {
      await start();
      const first = await post('alice', 'bob', 'once', 'm1');
      chat = await chat.restart();
      expect(await post('alice', 'bob', 'once', 'm1')).toEqual({ status: 200, receipt: first.receipt });
      expect((await call('GET', '/chat/pending/bob')).body.total).toBe(1);
    });

    it('takes content of the allowed bytes and refuses one byte more with 413', async () => {
      await start({ maxContentBytes: 10 });
      expect((await post('alice', 'bob', '\u00e9'.repeat(5))).status).toBe(201);
      const message = { from: 'alice', to: 'bob', content: `${'\u00e9'.repeat(5)}x` };
      await refused(413, 'CONTENT_TOO_LARGE', 'POST', '/chat/messages', message);
      await refused(413, 'CONTENT_TOO_LARGE', 'POST', '/chat/messages', { ...message, to: undefined, broadcast: true });
    });

    it('takes content that JSON makes six times as long', async () => {
      await start();
      const content = '\u0001'.repeat(65_536);
      const { status } = await post('alice', 'bob', content);
      expect(status).toBe(201);
      const { body } = await call('GET', '/chat/pending/bob');
      expect(body.items[0].content).toBe(content);
    });

    it('refuses a form, which any page could post here', async () => {
      await start();
      const response = await fetch(`http://127.0.0.1:${chat.port}/chat/messages`, {
        method: 'POST',
        body: new URLSearchParams({ from: 'alice', to: 'bob', content: 'x' }),
      });
      expect(response.status).toBe(400);
      expect(await chat.delivery.pendingOf('bob')).toBe(0);
    });

    it('refuses a body that is far too long with 413', async () => {
      await start();
      const { status, body } = await call('POST', '/chat/messages', {
        from: 'a',
        to: 'b',
        content: 'x'.repeat(2_000_000),
      });
      expect(status).toBe(413);
      expect(body).toMatchObject({ statusCode: 413, code: expect.stringMatching(/_TOO_LARGE$/) });
    });

    it('refuses with 429 when the mailbox or the share of its sender is full', async () => {
      await start({ maxPendingPerUser: 2, maxPendingPerSender: 1 });
      await post('alice', 'bob', '1', 'm1');
      const message = { to: 'bob', content: '2' };
      expect(await call('POST', '/chat/messages', { from: 'alice', ...message })).toEqual({
        status: 429,
        body: { statusCode: 429, code: 'SENDER_QUOTA', message: expect.any(String), scope: 'mailbox' },
      });
      await post('carol', 'bob', '2');
      await refused(429, 'MAILBOX_FULL', 'POST', '/chat/messages', { from: 'dave', ...message });
      expect((await post('alice', 'bob', '1', 'm1')).status).toBe(200);
      expect((await call('GET', '/chat/stats')).body.messages).toMatchObject({ accepted: 2, pending: 2 });
    });

    it('refuses with 503 what the store does not take, and takes it later', async () => {
      await start();
      jest.spyOn(OfflineMessageTable.prototype, 'insert').mockRejectedValueOnce(new Error('SQLITE_FULL: secret path'));
      const message = { from: 'alice', to: 'bob', content: 'x', id: 'm1' };
      expect(await refused(503, 'STORE_UNAVAILABLE', 'POST', '/chat/messages', message)).not.toContain('secret');
      expect((await post('alice', 'bob', 'x', 'm1')).status).toBe(201);
    });
  });

  describe('GET /chat/stats', () => {
    alone('metrics').it('shows the counters of the promise, which balance, and how much goes on', async () => {
      await start();
      const alice = await chat.connect('alice');
      await chat.connect('bob');
      await post('alice', 'bob', 'live');
      await post('alice', 'carol', 'waits');
      await post('alice', 'dave', 'purged');
      await call('DELETE', '/chat/pending/dave');
      const { status, body } = await call('GET', '/chat/stats');
      expect(status).toBe(200);
      expect(body).toEqual({
        uptimeSeconds: expect.any(Number),
        connections: 2,
        users: 2,
        messages: {
          accepted: 3,
          confirmed: 1,
          pending: 1,
          inFlight: 0,
          expired: 0,
          purged: 1,
          evicted: 0,
          replaced: 0,
          handedOver: 0,
          recovered: 0,
          absent: 0,
        },
        record: { recorded: 0, expired: 0, erased: 0 },
        rates: { acceptedPerSecond: expect.any(Number), confirmedPerSecond: expect.any(Number) },
      });
      expect(body.rates.acceptedPerSecond).toBeGreaterThan(body.rates.confirmedPerSecond);
      await alice.drop();
      await chat.untilOffline('alice');
      chat = await chat.restart();
      expect((await call('GET', '/chat/stats')).body).toMatchObject({
        connections: 0,
        users: 0,
        messages: { accepted: 1, recovered: 1, pending: 1, confirmed: 0 },
      });
    });
  });

  describe('the OpenAPI document', () => {
    const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head'];

    it('has every route that is served, and serves every route that it has', async () => {
      await start();
      const router = chat.app.getHttpAdapter().getInstance().router as {
        stack: { route?: { path: string; methods: Record<string, boolean> } }[];
      };
      const routes = router.stack.flatMap(({ route }) =>
        route
          ? METHODS.filter((method) => route.methods[method]).map(
              (method) => `${method} ${route.path.replace(/:(\w+)/g, '{$1}')}`,
            )
          : [],
      );
      // At the path of the socket itself nothing is served by HTTP.
      const served = routes.filter((route) => /^\w+ \/(chat\/|health\/|metrics)/.test(route));
      expect(served).toContain('get /chat/stats');
      const documented = [...api.operations.keys()].filter((name) => METHODS.includes(name.split(' ')[0]!));
      expect(documented.sort()).toEqual(served.sort());
    });

    it('says of every answer of every call what it means', async () => {
      await start();
      for (const [name, { summary, responses }] of api.operations) {
        expect([name, summary]).toEqual([name, expect.stringMatching(/^[A-Z].*\w$/)]);
        const statuses = Object.keys(responses).filter((status) => status !== 'default');
        expect([name, statuses.length > 0]).toEqual([name, true]);
        for (const [status, { description }] of Object.entries(responses)) {
          expect([name, status, description]).toEqual([name, status, expect.stringMatching(/\w \w.*\.$/)]);
        }
      }
    });

    it('has the version of the package, and examples that fit what they are examples of', async () => {
      await start();
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      expect(api.document.info).toMatchObject({ title: 'Holdfast', version });
      expect(api.examples()).toBeGreaterThan(50);
      const { '/chat/tickets': tickets, '/chat/messages': messages } = api.document.paths;
      const bodies = [tickets, messages].map((path) => path!.post!.requestBody as { required: boolean });
      expect(bodies.map(({ required }) => required)).toEqual([false, true]);
    });

    it('describes what orchestrators and Prometheus call, which needs no credentials', async () => {
      await start();
      for (const path of ['/health/live', '/health/ready']) expect((await call('GET', path)).status).toBe(200);
      const { paths } = api.document;
      expect(paths['/metrics']!.get!.responses['200']).toMatchObject({ content: { 'text/plain': {} } });
      const open = Object.keys(paths).filter((path) => paths[path]!.get && !paths[path]!.get!.security);
      expect(open.toSorted()).toEqual(['/health/live', '/health/ready', '/metrics']);
    });

    it('would notice a field that it does not name, and one that is missing', async () => {
      await start();
      const { body } = await call('GET', '/chat/users/bob');
      expect(() => api.check('GET', '/chat/users/bob', 200, { ...body, more: 1 })).toThrow('additional properties');
      const { pending: _, ...less } = body;
      expect(() => api.check('GET', '/chat/users/bob', 200, less)).toThrow("required property 'pending'");
      expect(() => api.check('GET', '/chat/elsewhere', 200, body)).toThrow('not in the document');
      expect(() => api.check('GET', '/chat/users/bob', 201, body)).toThrow('additional properties');
    });
  });
});

describe('a REST request that does not fit', () => {
  beforeAll(() => start());
  afterAll(() => chat.dispose());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const MESSAGE = { from: 'alice', to: 'bob', content: 'x' };
  const BODIES: [string, unknown, RegExp][] = [
    ['no sender', { ...MESSAGE, from: undefined }, /^from: /],
    ['no content', { ...MESSAGE, content: undefined }, /^content: /],
    ['neither recipient nor broadcast', { ...MESSAGE, to: undefined }, /^to: .*"broadcast"/],
    ['both recipient and broadcast', { ...MESSAGE, broadcast: true }, /^to: .*"broadcast"/],
    ['no recipient and no broadcast', { ...MESSAGE, to: undefined, broadcast: false }, /^to: .*"broadcast"/],
    ['a recipient that is null', { ...MESSAGE, to: null }, /^to: /],
    ['a recipient that is a condition', { ...MESSAGE, to: { $ne: '' } }, /^to: /],
    ['a recipient that is a list', { ...MESSAGE, to: ['bob'] }, /^to: /],
    ['a broadcast that is no boolean', { ...MESSAGE, to: undefined, broadcast: 'true' }, /^broadcast: /],
    ['content that is a number', { ...MESSAGE, content: 1 }, /^content: /],
    ['content that is an object', { ...MESSAGE, content: {} }, /^content: /],
    ['half a character', { ...MESSAGE, content: 'a\ud800b' }, /^content: /],
    ['half a character in a name', { ...MESSAGE, to: 'a\udc00' }, /^to: /],
    ['an empty id', { ...MESSAGE, id: '' }, /^id: /],
    ['an id with other characters', { ...MESSAGE, id: 'a b' }, /^id: /],
    ['an id of 65', { ...MESSAGE, id: 'x'.repeat(65) }, /^id: /],
    ['an id that is a number', { ...MESSAGE, id: 1 }, /^id: /],
    ['an id that is null', { ...MESSAGE, id: null }, /^id: /],
    ['several faults', { ...MESSAGE, from: 1, id: 2 }, /^from: .*; id: /],
    ['a list', [MESSAGE], /^the body: /],
    ['nothing', undefined, /^the body: /],
  ];
  it.each(BODIES)('is refused, naming the field: %s', async (_, body, message) => {
    const { accepted } = chat.delivery.totals;
    expect(await refused(400, 'BAD_REQUEST', 'POST', '/chat/messages', body)).toMatch(message);
    expect(chat.delivery.totals.accepted).toBe(accepted);
  });

  it.each([
    ['limit=0', /^limit: /],
    ['limit=1001', /^limit: /],
    ['limit=1.5', /^limit: /],
    ['limit=many', /^limit: /],
    ['limit=', /^limit: /],
    ['limit=1e2', /^limit: /],
    ['limit=0x10', /^limit: /],
    ['limit=5.0', /^limit: /],
    ['limit=%205', /^limit: /],
    ['limit=+5', /^limit: /],
    ['limit=-5', /^limit: /],
    ['limit=Infinity', /^limit: /],
    ['limit=%D9%A5', /^limit: /],
    ['limit=1&limit=2', /^limit: /],
    ['cursor=nonsense', /^cursor: /],
    ['cursor=', /^cursor: /],
    [`cursor=${Buffer.from('{"$gt":""}').toString('base64url')}`, /^cursor: /],
  ])('is refused in every list, naming the part of the query: %s', async (query, message) => {
    for (const list of ['/chat/connections', '/chat/pending', '/chat/pending/bob']) {
      expect(await refused(400, 'BAD_REQUEST', 'GET', `${list}?${query}`)).toMatch(message);
    }
  });

  it('is refused when its body is not JSON, without a word of it in the answer', async () => {
    for (const text of ['secret{', '"secret"', '{"from":"secret', '[secret]']) {
      const response = await fetch(`http://127.0.0.1:${chat.port}/chat/messages`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: text,
      });
      const body = await response.json();
      api.check('POST', '/chat/messages', response.status, body);
      expect(body).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' });
      expect(JSON.stringify(body)).not.toContain('secret');
    }
  });

  it('cannot reach into the prototype of objects', async () => {
    const body =
      '{"from":"alice","to":"bob","content":"x","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    const response = await fetch(`http://127.0.0.1:${chat.port}/chat/messages`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    expect(response.status).toBe(201);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('has a path that nothing is served at: 404 with a code, in the one shape, not echoing it', async () => {
    for (const path of ['/chat/nothing', '/chat/users', '/chat/stats/secret', '/nothing', '/chat/%']) {
      const { status, body } = await chat.rest('GET', path);
      expect([path, status, body]).toEqual([
        path,
        404,
        { statusCode: 404, code: 'NOT_FOUND', message: 'nothing is served here' },
      ]);
    }
    expect((await chat.rest('PUT', '/chat/stats')).status).toBe(404);
  });

  it('has a path that is not UTF-8: 400', async () => {
    expect(await refused(400, 'BAD_REQUEST', 'GET', '/chat/users/%ff')).not.toContain('ff');
  });

  it('comes by plain HTTP to the path of the socket: 426, and what to do', async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const { status, body } = await chat.rest(method, '/chat?user=alice');
      expect([status, body]).toEqual([
        426,
        { statusCode: 426, code: 'UPGRADE_REQUIRED', message: expect.stringContaining('WebSocket') },
      ]);
    }
    const { status, headers } = await fetch(`http://127.0.0.1:${chat.port}/chat`, { method: 'HEAD' });
    expect([status, headers.get('upgrade')]).toEqual([426, 'websocket']);
  });

  it('meets a disk that can not be read: 503, and the cause stays with us', async () => {
    jest
      .spyOn(PendingListTable.prototype, 'mailboxParts')
      .mockRejectedValueOnce(new Error('SQLITE_IOERR: secret path'));
    expect(await refused(503, 'STORE_UNAVAILABLE', 'GET', '/chat/pending')).not.toContain('secret');
    expect((await call('GET', '/chat/pending')).status).toBe(200);
  });

  it('meets a fault of ours: 500 with a code, and the cause stays with us', async () => {
    jest.spyOn(PendingLists.prototype, 'mailboxes').mockRejectedValueOnce(new Error('secret path'));
    expect(await refused(500, 'SERVER_ERROR', 'GET', '/chat/pending')).not.toContain('secret');
    expect((await call('GET', '/chat/pending')).status).toBe(200);
  });
});

describe('a user name in a REST call', () => {
  beforeAll(() => start());
  afterAll(() => chat.dispose());

  it.each(NAMES)('%j is %j at every door', async (written, name) => {
    const part = encodeURIComponent(written);
    const { receipt } = await post(written, written, 'x');
    const [waiting] = (await call('GET', `/chat/pending/${part}`)).body.items;
    expect(waiting).toMatchObject({ from: name, to: name, id: receipt.id });
    expect((await call('GET', `/chat/users/${part}`)).body).toMatchObject({ user: name, pending: 1, online: false });
    const client = await chat.connectJson(written);
    expect((await call('GET', `/chat/users/${part}`)).body).toMatchObject({ user: name, online: true });
    expect((await call('GET', `/chat/connections?user=${part}`)).body.items).toMatchObject([{ user: name }]);
    expect((await call('DELETE', `/chat/pending/${part}/${part}/${receipt.id}`)).body).toEqual({ purged: 1 });
    await client.drop();
    await chat.untilOffline(name);
    expect((await call('DELETE', `/chat/pending/${part}`)).body).toEqual({ purged: 0 });
  });

  it.each(NO_NAMES)('%j is not one at any door', async (name) => {
    const part = encodeURIComponent(name);
    for (const [method, path, field, body] of [
      ['GET', `/chat/connections?user=${part}`, 'user'],
      ['GET', `/chat/users/${part}`, 'user'],
      ['GET', `/chat/pending/${part}`, 'user'],
      ['DELETE', `/chat/pending/${part}`, 'user'],
      ['DELETE', `/chat/pending/${part}/alice/m1`, 'user'],
      ['DELETE', `/chat/pending/bob/${part}/m1`, 'from'],
      ['POST', '/chat/messages', 'from', { from: name, to: 'bob', content: 'x' }],
      ['POST', '/chat/messages', 'to', { from: 'alice', to: name, content: 'x' }],
      ['POST', '/chat/messages', 'from', { from: name, content: 'x', broadcast: true }],
    ] as const) {
      expect(await refused(400, 'BAD_REQUEST', method, path, body)).toMatch(new RegExp(`^${field}: a user name is `));
    }
  });

  it.each(['.', '..', '%2e', '.%2E', '%2e%2e'])('%s, which clients resolve in a path, is not one', async (name) => {
    await post('bob', 'alice', 'x', 'waits');
    const body = { from: name, to: 'bob', content: 'x', id: 'alice' };
    expect(await refused(400, 'BAD_REQUEST', 'POST', '/chat/messages', body)).toMatch(/^from: a user name is /);
    // The path of a client that resolves nothing.
    for (const written of [name, encodeURIComponent(name)]) {
      const peer = await RawClient.connect(chat.port);
      await peer.write(Buffer.from(`DELETE /chat/pending/bob/${written}/alice HTTP/1.1\r\nHost: localhost\r\n\r\n`));
      expect(await peer.until('\r\n')).toBe('HTTP/1.1 400 Bad Request\r\n');
      peer.reset();
    }
    expect(await chat.delivery.pendingOf('alice')).toBe(1);
  });

  it('and a message id are checked when one message is purged', async () => {
    for (const id of ['a%20b', 'x'.repeat(65), '%27%3B']) {
      expect(await refused(400, 'BAD_REQUEST', 'DELETE', `/chat/pending/bob/alice/${id}`)).toMatch(/^id: /);
    }
  });
});
