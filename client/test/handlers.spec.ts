import { onFakeTime, pass, stage } from './stage.js';

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
