import { watchTyping } from '../src/index.js';
import { FakeClient } from './fake-client.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

describe('a signal', () => {
  onFakeTime();

  it('goes out at once, and one that comes is handed to whoever listens', async () => {
    const { client, online, errors } = stage();
    const heard: unknown[] = [];
    const server = await online();
    server.say('signal', { from: 'bob', kind: 'composing' });
    client.on('signal', (signal) => heard.push(signal));
    server.say('signal', { from: 'bob', kind: 'at', data: { line: 7 } });
    client.signal('bob', 'composing');
    client.signal('bob', 'at', [1]);
    await settle();
    expect(heard).toEqual([{ from: 'bob', kind: 'at', data: { line: 7 } }]);
    expect(server.sent).toEqual([
      { event: 'signal', data: { to: 'bob', kind: 'composing' } },
      { event: 'signal', data: { to: 'bob', kind: 'at', data: [1] } },
    ]);
    expect(errors).toEqual([]);
    await client.close();
  });

  it('is dropped while there is no connection, and never goes out later', async () => {
    const { client, online, server } = stage();
    client.signal('bob', 'too-early');
    const first = await online();
    first.end();
    await settle();
    client.signal('bob', 'between');
    await pass(1_000);
    client.signal('bob', 'before-the-welcome');
    server.last.welcome();
    await settle();
    expect(server.sockets.map((socket) => socket.count('signal'))).toEqual([0, 0]);
    client.signal('bob', 'live');
    expect(server.last.count('signal')).toBe(1);
    await client.close();
    client.signal('bob', 'too-late');
    expect(server.last.count('signal')).toBe(1);
  });

  it('is dropped when it comes faster than the server allows', async () => {
    const { client, online } = stage();
    const server = await online({ signalsPerSecond: 5 });
    for (let n = 0; n < 12; n += 1) client.signal('bob', 'at');
    expect(server.count('signal')).toBe(10);
    await pass(400);
    for (let n = 0; n < 3; n += 1) client.signal('bob', 'at');
    expect(server.count('signal')).toBe(12);
    await client.close();
  });

  it('that the server refuses goes to error', async () => {
    const { client, online, errors } = stage();
    const server = await online();
    client.signal('bob', 'composing');
    server.say('exception', { status: 'error', code: 'NOT_ALLOWED', message: 'no', temporary: false });
    await settle();
    expect(errors).toMatchObject([{ about: 'frame', error: { code: 'NOT_ALLOWED' } }]);
    await client.close();
  });
});

describe('watchTyping', () => {
  onFakeTime();
  let chat: FakeClient;
  let heard: boolean[];
  let typing: ReturnType<typeof watchTyping>;
  beforeEach(() => {
    chat = new FakeClient();
    heard = [];
    typing = watchTyping(chat.client, 'bob', (isTyping) => heard.push(isTyping));
  });
  afterEach(() => typing.end());
  const hears = (from: string, kind: string) => chat.tell('signal', { from, kind });

  it('tells the other every 3 s while somebody types, and that they stopped after 4 s', async () => {
    for (let ms = 0; ms < 7_000; ms += 500) {
      typing.tell('x');
      await pass(500);
    }
    expect(chat.signals).toEqual(['bob composing', 'bob composing', 'bob composing']);
    await pass(3_499);
    expect(chat.signals).toHaveLength(3);
    await pass(1);
    expect(chat.signals.slice(3)).toEqual(['bob paused']);
    typing.tell('');
    typing.tell('y');
    typing.tell('');
    typing.tell('z');
    typing.end();
    expect(chat.signals.slice(4)).toEqual(['bob composing', 'bob paused', 'bob composing', 'bob paused']);
    await pass(10_000);
    expect(chat.signals).toHaveLength(8);
  });

  it('hears each change once, and for 6 s at most', async () => {
    await hears('carol', 'composing');
    await hears('bob', 'waves');
    expect(heard).toEqual([]);
    await hears('bob', 'composing');
    await pass(5_999);
    await hears('bob', 'composing');
    await pass(5_999);
    expect(heard).toEqual([true]);
    await pass(1);
    expect(heard).toEqual([true, false]);
    await hears('bob', 'composing');
    await hears('bob', 'paused');
    expect(heard).toEqual([true, false, true, false]);
    await hears('bob', 'composing');
    typing.end();
    await hears('bob', 'paused');
    await pass(10_000);
    expect(heard).toEqual([true, false, true, false, true]);
  });
});
