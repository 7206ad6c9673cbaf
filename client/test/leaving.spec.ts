import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

describe('leaving', () => {
  it('ends the connection and tries no other, until it is asked to connect', async () => {
    const { client, online, server, states } = stage();
    const first = await online();
    client.leave();
    await pass(600_000);
    expect([first.isClosed, server.sockets.length]).toEqual([true, 1]);
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'online', 'idle']);
    await online();
    expect([server.sockets.length, client.state.state]).toEqual([2, 'online']);
    await client.close();
  });

  it('keeps what waits, sends it when it is back, and lets it be taken back meanwhile', async () => {
    const { client, online, statuses } = stage();
    client.send('bob', 'x', { id: 'm0' });
    client.send('bob', 'x', { id: 'm1' });
    await settle();
    client.leave();
    client.cancel('m0');
    await settle();
    expect(statuses()).toEqual(['m0 CANCELLED']);
    expect((await online()).ids()).toEqual(['m1']);
    await client.close();
  });

  it('takes what is sent then, without a connection of its own', async () => {
    const { client, online, server } = stage();
    await online();
    client.leave();
    client.send('bob', 'x', { id: 'm0' });
    await pass(60_000);
    expect([server.sockets.length, client.pending.length]).toEqual([1, 1]);
    await client.close();
  });

  it('hands the rest when it is back', async () => {
    const { client, online, messages, listen } = stage();
    const socket = await online();
    socket.message('m0');
    await settle();
    client.leave();
    await settle();
    listen();
    await online();
    expect(messages).toMatchObject([{ id: 'm0' }]);
    await client.close();
  });

  it('changes nothing in a client that is closed, or was never asked to connect', async () => {
    const { client, online, states } = stage();
    client.leave();
    await online();
    await client.close();
    client.leave();
    await settle();
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'online', 'idle']);
  });
});
