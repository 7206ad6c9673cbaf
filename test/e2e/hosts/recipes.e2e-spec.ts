import { ChatModule, ChatService, type Authorize, type ChatModuleOptions, type Receipt } from '../../../src/index.js';
import { IN_MEMORY, TestClient } from '../../../src/testing/index.js';
import { HostApp } from '../../support/host-app.js';

// docs/recipes.md has the code of each recipe as it runs here.
let host: HostApp;
let chat: ChatService;

async function start(options: ChatModuleOptions = {}): Promise<void> {
  host = await HostApp.start({ imports: [ChatModule.forRoot({ ...IN_MEMORY, ...options })] });
  chat = host.app.get(ChatService, { strict: false });
}
afterEach(() => host.close());

/** Sends as a client does; returns the receipt, or the code of the refusal. */
async function send(client: TestClient, data: { to: string; content: string }): Promise<string> {
  client.sendJson('send', data);
  for (;;) {
    const frame = await client.nextJson();
    if (frame.event === 'exception') return frame.data.code;
    if (frame.event === 'receipts') return frame.data[0]!.status;
  }
}
const json = (user: string) => host.connect(user, { protocol: 'json' });

describe('the recipe', () => {
  it('server to user only: nobody else may send', async () => {
    const authorize: Authorize = () => false;

    await start({ authorize });
    const [ann, bob] = [await json('ann'), await json('bob')];
    expect(await send(ann, { to: 'bob', content: 'psst' })).toBe('NOT_ALLOWED');
    await chat.send({ from: 'shop', to: 'bob', content: 'on its way' });
    expect((await bob.until('message')).data).toMatchObject({ from: 'shop', content: 'on its way' });
  });

  it('tenants: nobody writes to another tenant, or to all of them', async () => {
    const tenantOf = (user: string) => user.split('/', 1)[0];
    const authorize: Authorize = ({ from, to }) => to !== undefined && tenantOf(to) === tenantOf(from);

    await start({ authorize });
    const ann = await json('acme/ann');
    expect(await send(ann, { to: 'acme/bob', content: 'x' })).toBe('stored');
    expect(await send(ann, { to: 'acme2/bob', content: 'x' })).toBe('NOT_ALLOWED');
    ann.sendJson('broadcast', { content: 'x' });
    expect((await ann.until('exception')).data.code).toBe('NOT_ALLOWED');
  });

  it('block list: who is blocked is refused, and the others are not', async () => {
    const blocks = { has: (by: string, user: string) => Promise.resolve(by === 'bob' && user === 'eve') };
    const authorize: Authorize = async ({ from, to }) => to === undefined || !(await blocks.has(to, from));

    await start({ authorize });
    const [ann, eve] = [await json('ann'), await json('eve')];
    expect(await send(eve, { to: 'bob', content: 'x' })).toBe('NOT_ALLOWED');
    expect(await send(eve, { to: 'carol', content: 'x' })).toBe('stored');
    expect(await send(ann, { to: 'bob', content: 'x' })).toBe('stored');
  });

  it('segment: 10,000 users get it once, 64 at a time, also when it is run again', async () => {
    async function sendToAll(users: string[], content: string, id: string): Promise<void> {
      const left = users.values();
      const sender = async () => {
        for (const to of left) await chat.send({ from: 'shop', to, content, id });
      };
      await Promise.all(Array.from({ length: 64 }, sender));
    }

    await start();
    const users = Array.from({ length: 10_000 }, (_, n) => `user-${n}`);
    const inside = countSends();
    await sendToAll(users, 'a sale', 'sale-1');
    expect(inside.most()).toBe(64);
    await sendToAll(users.slice(-100), 'a sale', 'sale-1');
    expect((await host.get('/chat/stats')).body).toMatchObject({ messages: { accepted: 10_000, pending: 10_000 } });
    expect(await chat.pending('user-9999')).toBe(1);
  });

  it('group: each of the 49 others gets the post once, and knows of which group it is', async () => {
    const members = Array.from({ length: 50 }, (_, n) => `member-${n}`);
    const groups = { membersOf: (_group: string) => Promise.resolve(members) };
    async function post(group: string, from: string, content: string, id: string): Promise<Receipt[]> {
      const others = (await groups.membersOf(group)).filter((user) => user !== from);
      return Promise.all(others.map((to) => chat.send({ from, to, content, id, meta: { group } })));
    }

    await start();
    const reader = await json('member-7');
    await reader.until('caught-up');
    expect(await post('hikers', 'member-0', 'on Sunday?', 'post-1')).toHaveLength(49);
    expect((await reader.until('message')).data).toMatchObject({ from: 'member-0', meta: { group: 'hikers' } });
    await post('hikers', 'member-0', 'on Sunday?', 'post-1');
    expect([await chat.pending('member-0'), await chat.pending('member-49')]).toEqual([0, 1]);
  });

  it('attachments: the address of a file goes with the message, also to somebody who was away', async () => {
    const attachments = [{ url: 'https://files.example.com/cat.png', type: 'image/png', bytes: 48_213 }];
    const sendPicture = () => chat.send({ from: 'ann', to: 'bob', content: 'our cat', meta: { attachments } });

    await start();
    expect((await sendPicture()).status).toBe('stored');
    const bob = await json('bob');
    const { data } = await bob.until('message');
    expect(data).toMatchObject({ content: 'our cat', meta: { attachments } });
  });

  it('moderation: what is sent is what the application makes of it', async () => {
    const authorize: Authorize = (request) => {
      if (request.type === 'signal') return true;
      const { content, meta } = request;
      const decent = content.replaceAll(/\bdarn\b/gi, '****');
      return decent === content || { content: decent, meta: { ...meta, moderated: true } };
    };

    await start({ authorize });
    const [ann, bob] = [await json('ann'), await json('bob')];
    await bob.until('caught-up');
    ann.sendJson('send', { to: 'bob', content: 'a Darn cat', meta: { mood: 'bad' } });
    expect((await bob.until('message')).data).toMatchObject({
      content: 'a **** cat',
      meta: { mood: 'bad', moderated: true },
    });
    ann.sendJson('send', { to: 'bob', content: 'a nice cat' });
    const { data } = await bob.until('message');
    expect(data).toMatchObject({ content: 'a nice cat' });
    expect(data).not.toHaveProperty('meta');
  });

  it('dev server: its pages may connect, and those of others may not', async () => {
    const options = { allowedOrigins: ['http://localhost:5173'] };

    await start(options);
    const from = (origin: string) => TestClient.open(`ws://127.0.0.1:${host.port}/chat?user=bob`, [], { origin });
    const page = await from('http://localhost:5173');
    await page.close();
    await expect(from('http://localhost:5174')).rejects.toThrow(/403/);
  });
});

/** How many sends are under way at once, at most. */
function countSends(): { most(): number } {
  const send = chat.send.bind(chat);
  let running = 0;
  let most = 0;
  chat.send = async (...request) => {
    most = Math.max(most, (running += 1));
    try {
      return await send(...request);
    } finally {
      running -= 1;
    }
  };
  return { most: () => most };
}
