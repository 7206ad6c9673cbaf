import { MemoryStore } from '../src/index.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

describe('a server that names another user', () => {
  it('gets nothing of what this one has sent, and the client stops and says why', async () => {
    const store = new MemoryStore();
    const { client, online, server, receipts } = stage({ user: 'alice', store, token: () => 'token of bob' });
    client.send('carol', 'from alice', { id: 'm0' });
    client.broadcast('from alice to all', { id: 'b0' });
    const socket = await online({ user: 'bob' });
    await pass(60_000);
    expect([socket.sent, socket.isClosed, server.sockets.length]).toEqual([[], true, 1]);
    expect(client.state).toMatchObject({ state: 'stopped', why: expect.stringContaining('another user') });
    expect([client.user, receipts]).toEqual(['alice', []]);
    expect(client.pending.map(({ id }) => id)).toEqual(['m0', 'b0']);
    expect(await store.outbox()).toHaveLength(1);
    const again = await online({ user: 'alice' });
    expect([again.ids(), again.ids('broadcast')]).toEqual([['m0'], ['b0']]);
    await client.close();
  });

  it('hands it nothing of what is for that one', async () => {
    const { client, online, messages, listen } = stage({ user: 'alice' });
    listen();
    const socket = await online({ user: 'bob' });
    socket.message('for bob');
    await settle();
    expect([messages, socket.acked]).toEqual([[], 0]);
    await client.close();
  });

  it('is found out by whom it named first where the options name nobody', async () => {
    const { client, online, server } = stage({ user: undefined as never, token: () => 'token' });
    (await online({ user: 'alice' })).end();
    client.send('carol', 'from alice', { id: 'm0' });
    await pass(500);
    server.last.welcome({ user: 'bob' });
    await settle();
    expect([server.last.sent, client.state.state]).toEqual([[], 'stopped']);
    await client.close();
  });
});
