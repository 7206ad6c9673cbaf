import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { ApiDocument } from '../../support/openapi.js';
import { TestClient } from '../../support/test-client.js';

const RECORD = { keepMs: 24 * 3_600_000 };

describe('the frames of the record', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  const start = async (options: TestOptions = {}) =>
    (chat = await ChatApp.start({ record: RECORD, sessions: 'multiple', ...options }));

  /** Opens a JSON connection that has caught up. */
  async function connected(user: string): Promise<TestClient> {
    const client = await chat.connectJson(user);
    await client.until('caught-up');
    return client;
  }

  async function welcomed(user: string) {
    return chat.keep(await TestClient.open(chat.url(user), ['chat.v1.json'])).nextJson('welcome');
  }

  /** Sends a message to somebody who is away, and returns its position. */
  async function leave(from: TestClient, to: string, id: string): Promise<string> {
    from.sendJson('send', { to, content: `content of ${id}`, id });
    const { data } = await from.until('receipts');
    return data[0]!.position!;
  }

  it('say in the welcome how long messages are recorded', async () => {
    await start();
    expect((await welcomed('ann')).data.recordMs).toBe(RECORD.keepMs);
  });

  it('are refused where nothing is recorded, and nothing says a position', async () => {
    await start({ record: null });
    expect((await welcomed('zoe')).data.recordMs).toBeNull();
    const ann = await connected('ann');
    expect(await leave(ann, 'bob', 'm1')).toBeUndefined();
    for (const [event, data] of [
      ['history', { id: 'q1', with: 'bob' }],
      ['sync', { id: 'q2' }],
      ['conversations', { id: 'q3' }],
      ['read', { with: 'bob', upTo: '00000000011' }],
    ] as const) {
      ann.sendJson(event, data);
      const id = 'id' in data ? { id: data.id } : {};
      expect((await ann.until('exception')).data).toMatchObject({ code: 'NOT_RECORDED', temporary: false, ...id });
    }
  });

  it('read a conversation back page by page, alike for both sides, and say the positions of the receipts', async () => {
    await start();
    const ann = await connected('ann');
    const positions = [];
    for (const id of ['m1', 'm2', 'm3']) positions.push(await leave(ann, 'bob', id));
    expect([...positions].sort()).toEqual(positions);
    const bob = await chat.connectJson('bob');
    expect((await bob.until('message')).data).toMatchObject({ id: 'm1', position: positions[0] });
    await bob.until('caught-up');
    bob.sendJson('history', { id: 'q1', with: 'ann', limit: 2 });
    const newest = (await bob.until('history')).data;
    expect(newest).toMatchObject({ id: 'q1', items: [{ id: 'm2', to: 'bob' }, { id: 'm3' }], after: null });
    bob.sendJson('history', { id: 'q2', with: 'ann', limit: 2, before: newest.before! });
    const oldest = (await bob.until('history')).data;
    expect(oldest).toMatchObject({ id: 'q2', before: null, after: positions[0] });
    expect([...oldest.items, ...newest.items].map(({ position }) => position)).toEqual(positions);
    ann.sendJson('history', { id: 'q3', with: 'bob', after: positions[0]! });
    expect((await ann.until('history')).data.items).toEqual(newest.items);
  });

  it('bring a second device what the first has sent, at once, and what it has missed by its cursor', async () => {
    await start();
    const [phone, laptop, bob] = [await connected('ann'), await connected('ann'), await connected('bob')];
    const heard: string[] = [];
    phone.listen((frame) => heard.push(frame));
    laptop.sendJson('sync', { id: 'q1' });
    const begin = (await laptop.until('sync')).data;
    expect(begin).toMatchObject({ items: [], more: false, complete: false });
    phone.sendJson('send', { to: 'bob', content: 'hi', id: 'm1', meta: { a: 1 } });
    const { seq, position } = (await bob.until('message')).data;
    bob.sendJson('ack', { seq: seq! });
    const echo = (await laptop.until('message')).data;
    expect(echo).toMatchObject({
      id: 'm1',
      from: 'ann',
      to: 'bob',
      content: 'hi',
      meta: { a: 1 },
      echo: true,
      position,
    });
    expect(echo.seq).toBeUndefined();
    expect((await phone.until('receipts')).data).toMatchObject([{ id: 'm1', status: 'delivered', position }]);
    await laptop.close();
    await leave(phone, 'carl', 'm2');
    expect(heard.filter((frame) => frame.includes('"echo"'))).toEqual([]);
    const back = await connected('ann');
    back.sendJson('sync', { id: 'q2', after: begin.after });
    const missed = (await back.until('sync')).data;
    expect(missed.items.map(({ id, to }) => [id, to])).toEqual([
      ['m1', 'bob'],
      ['m2', 'carl'],
    ]);
    expect(missed).toMatchObject({ more: false, complete: true });
    back.sendJson('sync', { id: 'q3', after: 'a cursor of somebody else' });
    expect((await back.until('sync')).data).toEqual({
      id: 'q3',
      items: [],
      after: missed.after,
      more: false,
      complete: false,
    });
  });

  it('tell both sides how far a conversation has come, and list it with what is unread', async () => {
    await start();
    const [ann, bob] = [await connected('ann'), await connected('bob')];
    ann.sendJson('send', { to: 'bob', content: 'hi', id: 'm1' });
    const { seq, position } = (await bob.until('message')).data;
    bob.sendJson('ack', { seq: seq! });
    const delivered = { with: 'bob', user: 'bob', delivered: position };
    expect((await ann.until('mark')).data).toEqual(delivered);
    expect((await bob.until('mark')).data).toEqual({ ...delivered, with: 'ann' });
    bob.sendJson('conversations', { id: 'q1' });
    const [unread] = (await bob.until('conversations')).data.items;
    expect(unread).toMatchObject({ with: 'ann', newest: position, last: { id: 'm1' }, unread: 1, delivered: position });
    bob.sendJson('read', { with: 'ann', upTo: position! });
    expect((await ann.until('mark')).data).toEqual({ with: 'bob', user: 'bob', read: position });
    expect((await bob.until('mark')).data).toEqual({ with: 'ann', user: 'bob', read: position });
    bob.sendJson('read', { with: 'ann', upTo: position! }); // Nothing moves.
    await leave(bob, 'carl', 'm2'); // It was committed behind that.
    ann.sendJson('conversations', { id: 'q2' });
    const [seen] = (await ann.until('conversations')).data.items;
    expect(seen).toMatchObject({ with: 'bob', unread: 0, peerDelivered: position, peerRead: position, read: null });
    await ann.expectNothingElse('ann');
  });

  it('are REST calls as well, which the OpenAPI document describes', async () => {
    await start();
    const api = new ApiDocument(chat.app);
    const { body: receipt } = await chat.rest('POST', '/chat/messages', {
      from: 'ann',
      to: 'bob',
      content: 'hi',
      meta: {},
    });
    api.check('POST', '/chat/messages', 201, receipt);
    const { after } = (await chat.rest('GET', '/chat/sync/bob')).body;
    await chat.rest('POST', '/chat/messages', { from: 'bob', to: 'ann', content: 'hello' });
    for (const [path, status] of [
      ['/chat/history/bob/ann?limit=1', 200],
      ['/chat/conversations/bob', 200],
      [`/chat/sync/bob?after=${after}`, 200],
      ['/chat/history/bob/ann?before=1', 400],
    ] as const) {
      const reply = await chat.rest('GET', path);
      expect(reply.status).toBe(status);
      api.check('GET', path, status, reply.body);
      if (status === 200) expect(reply.body.items).toHaveLength(1);
    }
  });

  it('hold up who begins too many conversations, and nobody who is answered', async () => {
    await start({ record: { ...RECORD, conversationsPerDay: 1 } });
    const [ann, bob] = [await connected('ann'), await chat.connect('bob')];
    await leave(ann, 'bob', 'm1');
    ann.sendJson('send', { to: 'carl', content: 'x', id: 'm2' });
    const refusal = { code: 'SENDER_QUOTA', scope: 'conversations', temporary: true, id: 'm2' };
    expect((await ann.until('exception')).data).toMatchObject(refusal);
    bob.send('ann|I know you');
    bob.send('carl|and I begin one');
    bob.send('dora|and another');
    expect((await ann.until('message')).data.content).toBe('I know you');
    expect(await bob.next()).toContain('content of m1');
    expect(await bob.next()).toContain('error: SENDER_QUOTA');
    expect(await leave(ann, 'bob', 'm3')).toBeDefined();
  });
});
