import {
  ChatException,
  ChatModule,
  ChatService,
  type AuthorizeRequest,
  type ChatModuleOptions,
} from '../../../src/index.js';
import { IN_MEMORY, type TestClient } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';

let host: HostApp;

async function start(options: ChatModuleOptions = {}): Promise<ChatService> {
  host = await HostApp.start({ imports: [ChatModule.forRoot({ ...IN_MEMORY, ...options })] });
  return host.app.get(ChatService, { strict: false });
}

/** Opens a JSON connection that has caught up. */
async function connect(user: string): Promise<TestClient> {
  const client = await host.connect(user, { protocol: 'json' });
  await client.nextJson('caught-up');
  return client;
}

afterEach(() => host.close());

describe('ChatService.signal', () => {
  it('returns to how many connections it was written', async () => {
    const chat = await start({ sessions: 'multiple' });
    const signal = { from: 'support', to: ' bob ', kind: 'at', data: { line: 7 } };
    expect(await chat.signal(signal)).toBe(0);
    await host.connect('bob');
    const [bob, bobToo] = [await connect('bob'), await connect('bob')];
    expect(await chat.signal(signal)).toBe(2);
    for (const client of [bob, bobToo]) {
      expect((await client.nextJson('signal')).data).toEqual({ from: 'support', kind: 'at', data: { line: 7 } });
    }
    expect(await chat.pending('bob')).toBe(0);
  });

  it('rejects with a ChatException that names what is not valid', async () => {
    const chat = await start();
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const valid = { from: 'alice', to: 'bob', kind: 'at' };
    for (const [wrong, message] of [
      [{ from: 'a|b' }, /"from"/],
      [{ to: '' }, /"to"/],
      [{ kind: 'two words' }, /"kind" has to be 1 to 32/],
      [{ data: 'x'.repeat(1_023) }, /"data" has to be a value of JSON, of up to 1024 bytes/],
      [{ data: circle }, /"data" has to be a value of JSON/],
      [{ data: 1n }, /"data" has to be a value of JSON/],
      [{ data: () => 1 }, /"data" has to be a value of JSON/],
    ] as const) {
      const sent = chat.signal({ ...valid, ...wrong });
      await expect(sent).rejects.toThrow(ChatException);
      await expect(sent).rejects.toThrow(message);
    }
  });
});

describe('authorize', () => {
  it('is asked about signals, and can refuse them', async () => {
    const asked: AuthorizeRequest[] = [];
    await start({
      authorize: (request) => {
        asked.push(request);
        return request.type !== 'signal' || request.kind !== 'shout';
      },
    });
    const [alice, bob] = [await connect('alice'), await connect('bob')];
    alice.sendJson('signal', { to: 'bob', kind: 'shout', data: [1] });
    expect((await alice.nextJson('exception')).data).toMatchObject({ code: 'NOT_ALLOWED', temporary: false });
    alice.sendJson('signal', { to: 'bob', kind: 'composing' });
    expect((await bob.nextJson('signal')).data).toEqual({ from: 'alice', kind: 'composing' });
    expect(asked).toEqual([
      { type: 'signal', from: 'alice', to: 'bob', kind: 'shout', content: '', data: [1] },
      { type: 'signal', from: 'alice', to: 'bob', kind: 'composing', content: '' },
    ]);
  });

  it('is not asked about signals over their rate', async () => {
    let asked = 0;
    await start({ signalsPerSecond: 1, authorize: () => ((asked += 1), false) });
    const alice = await connect('alice');
    for (let n = 0; n < 5; n += 1) alice.sendJson('signal', { to: 'bob', kind: 'composing' });
    for (let n = 0; n < 2; n += 1) await alice.nextJson('exception');
    alice.sendJson('ping', {});
    await alice.nextJson('pong');
    expect(asked).toBe(2);
  });

  it('may take its time: signals keep their order, messages do not wait for them, and 64 wait at most', async () => {
    const decisions: ((isAllowed: boolean) => void)[] = [];
    await start({
      authorize: ({ type }) => type !== 'signal' || new Promise<boolean>((resolve) => decisions.push(resolve)),
    });
    const [alice, bob] = [await connect('alice'), await connect('bob')];
    for (let n = 0; n < 70; n += 1) alice.sendJson('signal', { to: 'bob', kind: String(n) });
    alice.sendJson('send', { to: 'bob', content: 'first' });
    expect((await bob.nextJson('message')).data.content).toBe('first');
    expect(decisions).toHaveLength(64);
    for (const decide of decisions.splice(1).reverse()) decide(true);
    decisions.pop()!(false);
    for (let n = 1; n < 64; n += 1) expect((await bob.nextJson('signal')).data.kind).toBe(String(n));
    alice.sendJson('signal', { to: 'bob', kind: 'later' });
    await eventually(
      () => decisions.length === 1,
      () => 'another question',
    );
    decisions.pop()!(true);
    expect((await bob.nextJson('signal')).data.kind).toBe('later');
  });
});
