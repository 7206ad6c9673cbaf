import { ChatModule, ChatService } from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';

describe('ChatService', () => {
  let host: HostApp;
  let chat: ChatService;
  beforeEach(async () => {
    host = await HostApp.start({ imports: [ChatModule.forRoot(IN_MEMORY)] });
    chat = host.app.get(ChatService, { strict: false });
  });
  afterEach(() => host.close());

  const leave = async (from: string, ...ids: string[]) => {
    for (const id of ids) await chat.send({ from, to: 'bob', content: `content of ${id}`, id });
  };

  it('shows what waits, page by page in order, as REST does, and leaves it there', async () => {
    await leave('alice', 'm1', 'm2');
    await chat.send({ from: 'alice', to: 'bob', content: 'a cat', id: 'm3', meta: { url: 'cat.png' } });
    const first = await chat.messages(' bob', { limit: 2 });
    expect(first.items.map(({ id }) => id)).toEqual(['m1', 'm2']);
    const last = await chat.messages('bob', { limit: 2, after: first.next! });
    expect([last.items.map(({ id }) => id), last.next]).toEqual([['m3'], null]);
    expect(await chat.messages('carol')).toEqual({ items: [], next: null });

    const { items } = await chat.messages('bob');
    expect(items[2]).toMatchObject({ content: 'a cat', meta: { url: 'cat.png' } });
    const { body } = await host.get('/chat/pending/bob');
    const iso = (ms: number) => new Date(ms).toISOString();
    expect((body as { items: unknown }).items).toEqual(
      items.map((item) => ({ ...item, sentAt: iso(item.sentAt), storedAt: iso(item.storedAt) })),
    );
    expect(await chat.pending('bob')).toBe(3);
  });

  it('purges one message of one sender, or all that waits', async () => {
    await leave('alice', 'm1', 'm2');
    await leave('eve', 'm1');
    expect(await chat.purge('bob', { from: 'alice', id: 'm1' })).toBe(1);
    expect(await chat.purge('bob', { from: 'alice', id: 'm1' })).toBe(0);
    expect((await chat.messages('bob')).items.map(({ from, id }) => [from, id])).toEqual([
      ['alice', 'm2'],
      ['eve', 'm1'],
    ]);
    expect([await chat.purge('bob'), await chat.pending('bob')]).toEqual([2, 0]);
    expect((await host.get('/chat/stats')).body).toMatchObject({ messages: { accepted: 3, purged: 3, pending: 0 } });
  });

  it('knows when a user was last seen, while they are connected and after', async () => {
    const begun = Date.now();
    expect(await chat.lastSeen('bob')).toBeNull();
    const bob = await host.connect('bob');
    expect(await chat.lastSeen('bob')).toBeGreaterThanOrEqual(begun);
    await bob.close();
    await eventually(async () => !(await chat.isOnline('bob')));
    expect(await chat.lastSeen('bob')).toBeGreaterThanOrEqual(begun);
  });

  it.each([
    ['a user that is no name', () => chat.messages('a|b')],
    ['a limit that is too high', () => chat.messages('bob', { limit: 1_001 })],
    ['a limit that is not whole', () => chat.messages('bob', { limit: 1.5 })],
    ['a page before the first', () => chat.messages('bob', { after: -1 })],
    ['an id that is not one', () => chat.purge('bob', { from: 'alice', id: 'a b' })],
    ['no id, which would be all of a sender', () => chat.purge('bob', { from: 'alice' } as never)],
    ['no sender', () => chat.purge('bob', { id: 'm1' } as never)],
    ['a user that is no name, to be seen', () => chat.lastSeen('')],
  ])('rejects %s, and deletes nothing', async (_what, call) => {
    await leave('alice', 'm1');
    await expect(call()).rejects.toMatchObject({ name: 'ChatException', temporary: false });
    expect(await chat.pending('bob')).toBe(1);
  });
});
