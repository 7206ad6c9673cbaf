import { jest } from '@jest/globals';
import { createClient } from '../src/index.js';
import { FakeServer } from './fake-server.js';
import { jwt, onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

describe('connecting', () => {
  it('does nothing before it is asked to', async () => {
    const { client, server } = stage();
    await pass(60_000);
    expect(server.sockets).toEqual([]);
    expect(client.state).toEqual({ state: 'idle', why: '', code: null, retryAt: null });
    await client.close();
  });

  it('names the user where names are believed, and not where there is a token', async () => {
    const trusted = stage();
    await trusted.online();
    expect(trusted.server.last).toMatchObject({ url: 'ws://chat.test/chat?user=alice', protocols: ['chat.v1.json'] });
    await trusted.client.close();
    const byToken = stage({ url: 'https://chat.test/chat', token: () => 'abc' });
    await byToken.online();
    expect(byToken.server.last).toMatchObject({
      url: 'wss://chat.test/chat',
      protocols: ['chat.v1.json', 'bearer.abc'],
    });
    await byToken.client.close();
  });

  it('asks for address and token at every connect, and says why', async () => {
    const reasons: string[] = [];
    let n = 0;
    const { online, server, client } = stage({
      url: () => `ws://chat.test/${(n += 1)}`,
      token: async ({ reason }) => `${reasons.push(reason)}`,
    });
    (await online()).end(4401);
    await pass(0);
    expect(server.last.url).toBe('ws://chat.test/2');
    expect(reasons).toEqual(['connect', 'expired']);
    server.last.end(4401); // Twice in a row: not at once.
    await settle();
    expect(client.state.state).toBe('waiting');
    await client.close();
  });

  it('asks for another token when the server refused it, and tells what the server said', async () => {
    const reasons: string[] = [];
    const { client, server } = stage({ token: ({ reason }) => (reasons.push(reason), 'abc') });
    const body = { message: 'this token is for another audience' };
    jest.mocked(fetch).mockResolvedValue(new Response(JSON.stringify(body), { status: 401 }));
    client.connect();
    await settle();
    server.last.end();
    await settle();
    expect(client.state).toMatchObject({ state: 'waiting', why: body.message, code: 401 });
    const [url, { headers }] = jest.mocked(fetch).mock.calls[0] as unknown as [URL, { headers: object }];
    expect([url.href, headers]).toEqual(['http://chat.test/chat', { Authorization: 'Bearer abc' }]);
    await pass(500);
    expect(reasons).toEqual(['connect', 'refused']);
    await client.close();
  });

  it('waits as long as Retry-After says', async () => {
    const { client, server } = stage();
    jest.mocked(fetch).mockResolvedValue(new Response('{}', { status: 503, headers: { 'Retry-After': '7' } }));
    client.connect();
    await settle();
    server.last.end();
    await pass(6_900);
    expect(server.sockets).toHaveLength(1);
    await pass(1_100);
    expect(server.sockets).toHaveLength(2);
    await client.close();
  });

  it.each([4400, 4403, 4409])('stops after %d, says why, and comes back when asked', async (code) => {
    const { client, online, server } = stage();
    (await online()).end(code);
    await pass(600_000);
    expect(client.state).toMatchObject({ state: 'stopped', code, retryAt: null });
    expect(client.state.why).not.toBe('');
    expect(server.sockets).toHaveLength(1);
    client.connect();
    await settle();
    expect(server.sockets).toHaveLength(2);
    await client.close();
  });

  it.each([1006, 1011, 1013, 4408, 4429])('comes back after %d', async (code) => {
    const { client, online, server } = stage();
    (await online()).end(code);
    await settle();
    expect(client.state).toMatchObject({ state: 'waiting', code });
    expect(client.state.retryAt! - Date.now()).toBeLessThanOrEqual(500);
    await pass(500);
    expect(server.sockets).toHaveLength(2);
    await client.close();
  });

  it('comes back after as many seconds as a server that goes away asks for', async () => {
    const { client, online, server } = stage();
    (await online()).end(1001, 'the server is going away; retry-after=3');
    await pass(2_900);
    expect(server.sockets).toHaveLength(1);
    await pass(1_100);
    expect(server.sockets).toHaveLength(2);
    await client.close();
  });

  it('never gives up, and waits at random, up to 30 s', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.999);
    const { client, server } = stage();
    client.connect();
    await settle();
    const waits: number[] = [];
    for (let n = 1; n <= 20; n += 1) {
      server.last.end();
      waits.push(client.state.retryAt! - Date.now());
      await pass(waits.at(-1)! + 1);
      expect(server.sockets).toHaveLength(n + 1);
    }
    expect(waits.map((ms) => Math.round(ms / 100) * 100).slice(0, 8)).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
    await client.close();
  });

  it('tries at once when asked while it waits', async () => {
    const { client, online, server } = stage({ reconnect: { minDelayMs: 30_000 } });
    (await online()).end();
    await settle();
    client.connect();
    await settle();
    expect(server.sockets).toHaveLength(2);
    await client.close();
  });

  it('gives up a connection that is not welcomed within 15 s', async () => {
    const { client, server } = stage();
    client.connect();
    await pass(15_000);
    expect(server.sockets[0]!.isClosed).toBe(true);
    expect(client.state.state).toBe('waiting');
    await client.close();
  });

  it('asks after silence, and finds a dead connection within 40 s when it only reads', async () => {
    const { client, online, states } = stage();
    const socket = await online();
    await pass(24_900);
    expect(socket.count('ping')).toBe(0);
    await pass(200);
    expect(socket.count('ping')).toBe(1);
    await pass(10_000);
    expect(socket.isClosed).toBe(true);
    expect(states).toContainEqual(expect.objectContaining({ state: 'waiting', code: 4408 }));
    await client.close();
  });

  it('stays online while the server answers', async () => {
    const { client, online, server } = stage();
    server.pongs();
    const socket = await online();
    await pass(600_000);
    expect(client.state.state).toBe('online');
    expect(socket.count('ping')).toBe(24);
    await client.close();
  });

  it('finds a dead connection within 15 s when it writes, however often it does', async () => {
    const { client, online } = stage();
    const socket = await online();
    for (let second = 0; second < 15; second += 3) {
      client.send('bob', 'x');
      await pass(3_000);
    }
    expect(socket.isClosed).toBe(true);
    await client.close();
  });

  it('renews its token before it expires, without a gap', async () => {
    const expiresAt = Math.floor(Date.now() / 1_000) + 600;
    const tokens = [jwt(expiresAt), jwt(expiresAt + 600)];
    const reasons: string[] = [];
    const { client, online, server } = stage({ token: ({ reason }) => tokens[reasons.push(reason) - 1] ?? null });
    server.pongs();
    const socket = await online();
    await pass(539_000);
    expect(socket.count('renew')).toBe(0);
    await pass(2_000);
    expect(socket.sent.find(({ event }) => event === 'renew')).toEqual({ event: 'renew', data: { token: tokens[1] } });
    expect(reasons).toEqual(['connect', 'expired']);
    expect(client.state.state).toBe('online');
    await client.close();
  });

  it('tells no token to those who watch the frames', async () => {
    const { client, online } = stage({ token: () => jwt(Date.now() / 1_000 + 61) });
    const frames: string[] = [];
    client.on('frame', ({ text }) => frames.push(text));
    const socket = await online();
    await pass(40_000);
    expect(socket.count('renew')).toBe(1);
    expect(frames.join()).not.toContain('.sig');
    expect(frames.length).toBeGreaterThan(0);
    await client.close();
  });

  it('says what failed when there is no WebSocket, and throws nothing', async () => {
    const errors: string[] = [];
    const original = globalThis.WebSocket;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    const client = createClient({ url: 'ws://chat.test/chat', user: 'alice' });
    client.on('error', ({ error }) => errors.push(String(error)));
    client.connect();
    await settle();
    expect(errors.join()).toContain('there is no WebSocket here');
    expect(client.state.state).toBe('waiting');
    await client.close();
    if (original) globalThis.WebSocket = original;
  });

  it('waits with an error when the token cannot be had', async () => {
    const { client, errors } = stage({ token: () => Promise.reject(new Error('no network')) });
    client.connect();
    await settle();
    expect(errors).toMatchObject([{ about: 'connect', error: { message: 'no network' } }]);
    expect(client.state).toMatchObject({ state: 'waiting', why: 'no network' });
    await client.close();
  });

  it('looks at once after the machine has slept', async () => {
    const { client, online } = stage();
    const socket = await online();
    jest.setSystemTime(Date.now() + 3_600_000);
    await pass(25_000);
    expect(socket.count('ping')).toBe(1);
    await pass(5_000);
    expect(socket.isClosed).toBe(true);
    await client.close();
  });

  it('leaves nothing behind over 1,000 reconnects', async () => {
    const { client, online, server } = stage({ reconnect: { minDelayMs: 1, maxDelayMs: 1 } });
    await online();
    for (let n = 0; n < 1_000; n += 1) {
      server.last.end();
      await jest.advanceTimersByTimeAsync(1);
      server.last.welcome();
    }
    expect(server.sockets.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
    expect(jest.getTimerCount()).toBeLessThanOrEqual(1);
    await client.close();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('hears nothing of a connection that it has let go', async () => {
    const server = new FakeServer();
    const client = createClient({ url: 'ws://chat.test/chat', user: 'alice', WebSocket: server.WebSocket });
    client.connect();
    await settle();
    const first = server.last;
    client.disconnect();
    first.welcome();
    first.end(4409);
    await settle();
    expect(client.state.state).toBe('idle');
    await client.close();
  });
});
