import { ChatApp } from '../../support/chat-app.js';
import { TestClient } from '../../support/test-client.js';
import { hexOf, rowsOf } from '../../support/store-file.js';
import { alone } from '../../support/test-nodes.js';

const TABLE = 'holdfast_offline_message';

/**
 * Texts that a database, a pattern, a JSON path or a shell might take for more than text. All of them are user names.
 */
const NAMES = [
  "'",
  '"',
  '`',
  ';',
  "''",
  "' OR '1'='1",
  '" OR ""="',
  "bob' --",
  "bob'/*",
  `'; DROP TABLE ${TABLE}; --`,
  `x'); DELETE FROM ${TABLE}; --`,
  `' UNION SELECT name FROM sqlite_master --`,
  "'; ATTACH DATABASE 'x' AS x; --",
  'PRAGMA synchronous = OFF',
  '--',
  '/* */',
  '%',
  '_',
  'bo%',
  'b_b',
  '*',
  '[a-z]*',
  '?',
  '?1',
  ':user',
  '@user',
  '$1',
  '$.a',
  '$[0]',
  '["bob"]',
  '{"$ne":""}',
  '","bob","',
  '\\',
  "\\'",
  '\\"',
  '\\u0000',
  '\\x00',
  '\\n',
  "x'41'",
  'char(39)',
  'NULL',
  'null',
  'true',
  '0',
  '1',
  '1.0',
  '007',
  '1e3',
  '1e400',
  '-1',
  '0x27',
  '9007199254740993',
  '\u2019 OR 1=1',
  '\u02bc; DROP',
  '\uff07 OR 1=1',
  '%27%20OR%201=1',
  '$(reboot)',
  '${7*7}',
  "'".repeat(128),
] as const;

/** The same for contents only, as none of these is a user name. */
const NO_NAMES = [
  "bob\0' --",
  '\0',
  "'\n; DROP TABLE x",
  "a' || 'b",
  '|',
  '\u2028',
  '\ud7ff\u200b',
  "'".repeat(129),
  `${'x'.repeat(129)}'; --`,
] as const;
const CONTENTS = [...NAMES, ...NO_NAMES, '', ' ', '\r\n', '\ufeff', "'".repeat(65_536), '\0'.repeat(10_000)];

const isId = (text: string) => /^[A-Za-z0-9_-]{1,64}$/.test(text);
const part = encodeURIComponent;

describe('hostile text', () => {
  let chat: ChatApp;
  beforeAll(async () => {
    chat = await ChatApp.start({ maxPendingPerUser: null, maxPendingPerSender: null, maxPendingBytesPerUser: null });
    for (const to of ['bob', 'bystander', 'bystander']) await post({ from: 'alice', to, content: 'stays' });
  });
  afterAll(() => chat.dispose());

  async function post(body: Record<string, unknown>): Promise<number> {
    return (await chat.rest('POST', '/chat/messages', body)).status;
  }

  async function leave(client: TestClient, user: string): Promise<void> {
    await client.drop();
    await chat.untilOffline(user);
  }

  describe.each(NAMES)('%j as a user', (name) => {
    it('is that user at every door, and nobody else', async () => {
      const before = await rowsOf(chat);
      const { body: ticket } = await chat.rest('POST', '/chat/tickets', { user: name });
      const sender = await TestClient.open(`ws://127.0.0.1:${chat.port}/chat?ticket=${ticket.ticket}`, [
        'chat.v1.json',
      ]);
      expect((await chat.keep(sender).nextJson('welcome')).data.user).toBe(name);
      await leave(sender, name);
      expect(await post({ from: name, to: name, content: name, id: 'm-1' })).toBe(201);

      const alice = await chat.connectJson('alice');
      alice.sendJson('send', { to: name, content: name, id: 'm-2' });
      expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-2', status: 'stored' }]);
      await leave(alice, 'alice');
      const texting = await chat.connect('texting');
      texting.send(`${name}|${name}`);
      await chat.untilPending(name, 3);
      await leave(texting, 'texting');

      const row = { recipient: name, content: hexOf(name), bytes: Buffer.byteLength(name) };
      const added = (await rowsOf(chat)).slice(before.length);
      expect(added).toEqual([
        { ...row, sender: name, id: 'm-1' },
        { ...row, sender: 'alice', id: 'm-2' },
        { ...row, sender: 'texting', id: expect.any(String) },
      ]);
      expect((await rowsOf(chat)).slice(0, before.length)).toEqual(before);

      expect((await chat.rest('GET', `/chat/users/${part(name)}`)).body).toMatchObject({ user: name, pending: 3 });
      const { body } = await chat.rest('GET', `/chat/pending/${part(name)}`);
      expect(body.items.map(({ to, content }: Record<string, unknown>) => [to, content])).toEqual(
        Array.from({ length: 3 }, () => [name, name]),
      );
      expect((await chat.rest('DELETE', `/chat/pending/${part(name)}/${part(name)}/m-1`)).body).toEqual({ purged: 1 });
      expect((await chat.rest('DELETE', `/chat/pending/${part(name)}/${part(name)}/m-2`)).body).toEqual({ purged: 0 });

      const reader = await chat.connectJson(name);
      for (const [seq, from] of ['alice', 'texting'].entries()) {
        expect((await reader.nextJson('message')).data).toMatchObject({ seq: seq + 1, from, to: name, content: name });
      }
      const { body: connections } = await chat.rest('GET', `/chat/connections?user=${part(name)}`);
      expect(connections.items.map(({ user }: Record<string, unknown>) => user)).toEqual([name]);
      expect((await chat.rest('DELETE', `/chat/pending/${part(name)}`)).body).toEqual({ purged: 2 });
      reader.sendJson('ack', { seq: 2 }); // The server would wait a second for it before it closes.
      expect((await chat.rest('DELETE', `/chat/users/${part(name)}/connections`)).body).toEqual({ closed: 1 });
      await reader.expectClose(4403);
      await chat.untilOffline(name);
      expect(await rowsOf(chat)).toEqual(before);
    });

    alone('collation').it('stands in a cursor as itself', async () => {
      const before = await rowsOf(chat);
      const users = ['bob', 'bystander'].filter((user) => Buffer.compare(Buffer.from(user), Buffer.from(name)) > 0);
      const cursor = Buffer.from(JSON.stringify({ user: name, total: 2 })).toString('base64url');
      const { status, body } = await chat.rest('GET', `/chat/pending?cursor=${cursor}`);
      expect([status, body.items.map(({ user }: { user: string }) => user)]).toEqual([200, users]);
      const ofConnections = Buffer.from(JSON.stringify(name)).toString('base64url');
      expect((await chat.rest('GET', `/chat/connections?cursor=${ofConnections}`)).status).toBe(200);
      expect(await rowsOf(chat)).toEqual(before);
    });
  });

  it.each(NO_NAMES)('%j is not a user at any door, and changes nothing', async (name) => {
    const before = await rowsOf(chat);
    await expect(chat.connect(name)).rejects.toMatchObject({ status: 400, body: { code: 'BAD_USER' } });
    for (const body of [
      { from: name, to: 'bob', content: 'x' },
      { from: 'alice', to: name, content: 'x' },
      { from: name, content: 'x', broadcast: true },
    ])
      expect(await post(body)).toBe(400);
    expect((await chat.rest('POST', '/chat/tickets', { user: name })).status).toBe(400);
    for (const path of [`users/${part(name)}`, `pending/${part(name)}`, `connections?user=${part(name)}`])
      expect([path, (await chat.rest('GET', `/chat/${path}`)).status]).toEqual([path, 400]);
    for (const path of [
      `users/${part(name)}/connections`,
      `pending/${part(name)}`,
      `pending/${part(name)}/alice/m-1`,
      `pending/bob/${part(name)}/m-1`,
    ])
      expect([path, (await chat.rest('DELETE', `/chat/${path}`)).status]).toEqual([path, 400]);
    const alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: name, content: 'x', id: 'm-1' });
    expect((await alice.until('exception')).data).toMatchObject({ code: 'BAD_RECIPIENT', id: 'm-1' });
    await leave(alice, 'alice');
    expect(await rowsOf(chat)).toEqual(before);
  });

  it('as an id is that id, or is refused', async () => {
    const before = await rowsOf(chat);
    const dave = await chat.connectJson('dave');
    await dave.nextJson('caught-up');
    for (const id of [...NAMES, ...NO_NAMES]) {
      const taken = isId(id);
      expect([id, await post({ from: 'alice', to: 'carol', content: 'by REST', id })]).toEqual([id, taken ? 201 : 400]);
      dave.sendJson('send', { to: 'carol', content: 'by a frame', id });
      expect([id, (await dave.nextJson()).event]).toEqual([id, taken ? 'receipts' : 'exception']);
      const added = (await rowsOf(chat)).slice(before.length);
      const two = ['alice', 'dave'].map((sender) => ({ recipient: 'carol', sender, id }));
      expect(added).toMatchObject(taken ? two : []);
      expect(added).toHaveLength(taken ? 2 : 0);
      for (const from of ['alice', 'dave']) {
        const { status, body } = await chat.rest('DELETE', `/chat/pending/carol/${from}/${part(id)}`);
        expect([id, status, body.purged]).toEqual([id, ...(taken ? [200, 1] : [400, undefined])]);
      }
      if (taken) await dave.until('endings');
      for (const method of ['GET', 'DELETE'])
        expect([id, (await chat.rest(method, `/chat/connections/${part(id)}`)).status]).toEqual([id, 404]);
      expect(await rowsOf(chat)).toEqual(before);
    }
    await leave(dave, 'dave');
  });

  it('in a query is refused, unless it is a number where one belongs', async () => {
    const before = await rowsOf(chat);
    for (const text of [...NAMES, ...NO_NAMES]) {
      const isLimit = /^[0-9]+$/.test(text) && Number(text) >= 1 && Number(text) <= 1_000;
      for (const list of ['/chat/connections', '/chat/pending', '/chat/pending/bob']) {
        const limited = await chat.rest('GET', `${list}?limit=${part(text)}`);
        expect([text, limited.status]).toEqual([text, isLimit ? 200 : 400]);
        const cursor = Buffer.from(text).toString('base64url');
        const { status } = await chat.rest('GET', `${list}?cursor=${cursor}`);
        expect([list, text, status]).toEqual([list, text, 400]);
        // Nothing is sorted, filtered or picked by what a client names.
        const unknown = `orderBy=${part(text)}&sort=${part(text)}&where=${part(text)}&${part(text)}=1`;
        expect(await chat.rest('GET', `${list}?${unknown}`)).toEqual(await chat.rest('GET', list));
      }
      expect((await chat.rest('GET', `/chat/pending?order=${part(text)}`)).status).toBe(400);
    }
    expect(await rowsOf(chat)).toEqual(before);
  });

  it('comes out byte for byte as a content, whichever way it came in', async () => {
    const before = await rowsOf(chat);
    const alice = await chat.connectJson('alice');
    const texting = await chat.connect('texting');
    const sent: string[] = [];
    for (const content of CONTENTS) {
      expect([content, await post({ from: 'rest', to: 'eve', content })]).toEqual([content, 201]);
      alice.sendJson('send', { to: 'eve', content });
      await alice.until('receipts');
      texting.send(`eve|${content}`);
      texting.send(Buffer.from(`eve|${content}`));
      await chat.untilPending('eve', (sent.push(content, content, content, content), sent.length));
    }
    const added = (await rowsOf(chat)).slice(before.length);
    expect(added.map(({ content }) => content)).toEqual(sent.map(hexOf));
    expect(added.map(({ bytes }) => bytes)).toEqual(sent.map((content) => Buffer.byteLength(content)));
    const { body } = await chat.rest('GET', '/chat/pending/eve?limit=1000');
    expect(body.items.map(({ content }: { content: string }) => content)).toEqual(sent);
    const eve = await chat.connectJson('eve');
    const received: string[] = [];
    while (received.length < sent.length) {
      const { data } = await eve.nextJson('message');
      received.push(data.content);
      eve.sendJson('ack', { seq: data.seq });
    }
    expect(received).toEqual(sent);
    await chat.untilPending('eve', 0);
    expect(await rowsOf(chat)).toEqual(before);
  });
});
