import { jest } from '@jest/globals';
import { MemoryStore } from '../src/index.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

describe('a handler', () => {
  it.each(['connecting', 'online', 'waiting'])('that disconnects when it hears %s is obeyed', async (name) => {
    const { client, server } = stage();
    client.on('state', ({ state }) => state === name && client.disconnect());
    client.connect();
    await pass(0);
    server.sockets.at(-1)?.welcome();
    await pass(0);
    server.sockets.at(-1)?.end();
    await pass(120_000);
    expect(client.state.state).toBe('idle');
    expect(server.sockets.length).toBeLessThan(2);
    await client.close();
  });

  it('that disconnects when a broadcast is lost with its connection is obeyed', async () => {
    const { client, server, online } = stage();
    client.on('receipt', () => client.disconnect());
    const socket = await online();
    client.broadcast('to everybody');
    await pass(0);
    expect(socket.count('broadcast')).toBe(1);
    socket.end();
    await pass(120_000);
    expect(client.state.state).toBe('idle');
    expect(server.sockets.length).toBe(1);
    await client.close();
  });

  it('that hears "online" finds the user', async () => {
    const { client, online } = stage({ user: undefined as never });
    const users: (string | null)[] = [];
    client.on('state', ({ state }) => state === 'online' && users.push(client.user));
    await online();
    expect(users).toEqual(['alice']);
    await client.close();
  });
});

describe('a handler of messages that is never done', () => {
  const never = () => new Promise(() => undefined);

  it('holds the next message up for 30 s, and goes to "error"', async () => {
    const { client, online, errors } = stage();
    const handed: string[] = [];
    client.on('message', ({ id }) => {
      handed.push(id);
      return id === 'm0' && never();
    });
    const socket = await online();
    socket.message('m0');
    socket.message('m1');
    await pass(29_900);
    expect([handed, errors, socket.acked]).toEqual([['m0'], [], 0]);
    await pass(200);
    expect([handed, socket.acked]).toEqual([['m0', 'm1'], 2]);
    expect(errors).toMatchObject([
      { about: 'handler', error: { message: expect.stringContaining('more than 30000 ms') } },
    ]);
    await client.close();
  });

  it('is waited for as long as `handlerMs` says', async () => {
    const { client, online, errors } = stage({ handlerMs: Infinity });
    client.on('message', never);
    const socket = await online();
    socket.message('m0');
    await pass(3_600_000);
    expect([errors, socket.acked]).toEqual([[], 0]);
    const closed = client.close();
    await pass(5_000);
    await closed;
  });

  it('is called no more after 30 s, also when it fails then', async () => {
    const { client, online } = stage();
    let calls = 0;
    client.on('message', async () => {
      calls += 1;
      await new Promise((_, reject) => setTimeout(reject, 20_000));
    });
    (await online()).message('m0');
    await pass(120_000);
    expect(calls).toBe(2);
    await client.close();
  });

  it('holds close() up for 5 s, and its message is handed again by the next client', async () => {
    class LastingStore extends MemoryStore {
      override readonly persistent = true as never;
    }
    const store = new LastingStore();
    const { client, online } = stage({ store });
    client.on('message', never);
    (await online()).message('m0');
    await settle();
    let isClosed = false;
    void client.close().then(() => (isClosed = true));
    await pass(4_900);
    expect(isClosed).toBe(false);
    await pass(200);
    expect([isClosed, jest.getTimerCount()]).toEqual([true, 0]);
    const next = stage({ store });
    next.listen();
    await next.online();
    expect(next.messages).toMatchObject([{ id: 'm0', redelivered: true }]);
    await next.client.close();
  });

  it('is not acknowledged by a client that is closed meanwhile', async () => {
    const { client, online } = stage();
    client.on('message', never);
    const socket = await online();
    socket.message('m0');
    await settle();
    void client.close();
    await pass(6_000);
    expect(socket.acked).toBe(0);
  });
});
