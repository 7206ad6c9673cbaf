import { Injectable } from '@nestjs/common';
import {
  ChatModule,
  ChatService,
  OnChatEvent,
  type AuthorizeRequest,
  type ChatEvents,
  type ChatModuleOptions,
} from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';

@Injectable()
class Listeners {
  readonly read: ChatEvents['read'][] = [];

  @OnChatEvent('read') onRead(event: ChatEvents['read']): void {
    this.read.push(event);
  }
}

describe('the record of an application', () => {
  let host: HostApp;
  let chat: ChatService;
  afterEach(() => host.close());

  async function start(options: ChatModuleOptions = {}): Promise<void> {
    const record = { keepMs: 86_400_000 };
    const module = ChatModule.forRoot({ ...IN_MEMORY, record, ...options });
    host = await HostApp.start({ imports: [module], providers: [Listeners] });
    chat = host.app.get(ChatService, { strict: false });
  }

  const say = async (from: string, to: string, id: string, meta?: Record<string, unknown>) =>
    chat.send({ from, to, content: `content of ${id}`, id, meta });

  it('has history, conversations, what is unread and what is new, as the REST calls have', async () => {
    await start();
    const begin = await chat.sync('bob');
    expect(begin).toMatchObject({ items: [], more: false, complete: false });
    await say('ann', 'bob', 'm1', { a: 1 });
    await say('ann', 'bob', 'm2');
    await say('carl', 'bob', 'm3');
    const page = await chat.history(' bob', { with: 'ann', limit: 1 });
    expect(page).toMatchObject({
      items: [{ id: 'm2', from: 'ann', to: 'bob', content: 'content of m2' }],
      after: null,
    });
    const older = await chat.history('bob', { with: 'ann', before: page.before! });
    expect(older.items).toMatchObject([{ id: 'm1', meta: { a: 1 } }]);
    expect([await chat.unread('bob'), await chat.unread('bob', 'ann'), await chat.unread('ann')]).toEqual([3, 2, 0]);
    const news = await chat.sync('bob', { after: begin.after, limit: 2 });
    expect(news).toMatchObject({ items: [{ id: 'm1' }, { id: 'm2' }], more: true, complete: true });
    const list = await chat.conversations('bob', { limit: 1 });
    expect(list.items).toMatchObject([{ with: 'carl', unread: 1, last: { id: 'm3' } }]);
    expect((await chat.conversations('bob', { before: list.before! })).items).toMatchObject([{ with: 'ann' }]);

    const iso = (item: { sentAt: number } | null) => item && { ...item, sentAt: new Date(item.sentAt).toISOString() };
    const history = await host.get(`/chat/history/bob/ann?before=${page.before!}`);
    expect(history.body).toEqual({ ...older, items: older.items.map(iso) });
    const sync = await host.get(`/chat/sync/bob?after=${begin.after}&limit=2`);
    expect(sync.body).toEqual({ ...news, items: news.items.map(iso) });
    const conversations = await host.get('/chat/conversations/bob?limit=1');
    expect(conversations.body).toEqual({
      ...list,
      items: list.items.map((each) => ({ ...each, last: iso(each.last) })),
    });
  });

  it('tells who has read what, once for each move of the mark', async () => {
    await start();
    const { position } = await say('ann', 'bob', 'm1');
    const [upTo] = (await chat.history('bob', { with: 'ann' })).items.map((item) => item.position);
    expect(position).toBe(upTo);
    await chat.markRead('bob', { with: 'ann', upTo: upTo! });
    await chat.markRead('bob', { with: 'ann', upTo: upTo! });
    expect(await chat.unread('bob')).toBe(0);
    const { read } = host.app.get(Listeners);
    await eventually(() => read.length > 0);
    expect(read).toEqual([{ user: 'bob', with: 'ann', upTo }]);
    expect((await chat.conversations('ann')).items).toMatchObject([{ with: 'bob', peerRead: upTo, read: null }]);
  });

  it('refuses what is not valid, and everything where nothing is recorded', async () => {
    await start({ record: null });
    await say('ann', 'bob', 'm1');
    for (const call of [
      chat.history('bob', { with: 'ann' }),
      chat.sync('bob'),
      chat.conversations('bob'),
      chat.unread('bob'),
      chat.markRead('bob', { with: 'ann', upTo: '00000000011' }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'NOT_RECORDED', temporary: false });
    }
    expect(await host.get('/chat/conversations/bob')).toMatchObject({ status: 404, body: { code: 'NOT_RECORDED' } });
    for (const [call, field] of [
      [chat.history('a|b', { with: 'ann' }), 'user'],
      [chat.history('bob', { with: '' }), 'with'],
      [chat.history('bob', { with: 'ann', before: '1' }), 'before'],
      [chat.sync('bob', { limit: 201 }), 'limit'],
      [chat.conversations('bob', { limit: 0 }), 'limit'],
      [chat.markRead('bob', { with: 'ann', upTo: '' }), 'upTo'],
    ] as const) {
      await expect(call).rejects.toThrow(`"${field}"`);
    }
    for (const path of [
      'history/bob/ann?limit=0',
      'history/bob/ann?before=x',
      'conversations/bob?limit=x',
      'sync/a%7Cb',
    ])
      expect(await host.get(`/chat/${path}`)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
  });

  it('asks authorize, which may keep a conversation from a user', async () => {
    const asked: AuthorizeRequest[] = [];
    await start({
      authorize: (request) => {
        asked.push(request);
        return request.type !== 'history' || request.to === 'bob';
      },
    });
    await say('ann', 'bob', 'm1');
    const ann = await host.connect('ann', { protocol: 'json' });
    ann.sendJson('history', { id: 'q1', with: 'carl' });
    ann.sendJson('sync', { id: 'q2' });
    ann.sendJson('history', { id: 'q3', with: 'bob' });
    for (const id of ['q1', 'q2'])
      expect((await ann.until('exception')).data).toMatchObject({ code: 'NOT_ALLOWED', id });
    expect((await ann.until('history')).data).toMatchObject({ id: 'q3', items: [{ id: 'm1' }] });
    expect(asked).toEqual(['carl', undefined, 'bob'].map((to) => ({ type: 'history', from: 'ann', to, content: '' })));
  });
});
