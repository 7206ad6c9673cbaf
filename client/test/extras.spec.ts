import { onFakeTime, pass, settle, stage } from './stage.js';

describe('what a message carries beside its content', () => {
  onFakeTime();

  const EXTRAS = { meta: { type: 'order.shipped', order: 7 }, topic: 'order-7', urgency: 'high' } as const;

  it('goes out with it, and comes with what is received', async () => {
    const { client, online, messages, listen } = stage();
    listen();
    client.send('bob', 'shipped', { id: 'm0', ttl: 60, ...EXTRAS });
    client.broadcast('closing', { id: 'b0', meta: EXTRAS.meta });
    expect(client.pending[0]).toMatchObject(EXTRAS);
    const socket = await online();
    expect(socket.sent).toEqual([
      { event: 'send', data: { to: 'bob', content: 'shipped', id: 'm0', ttl: 60, ...EXTRAS } },
      { event: 'broadcast', data: { content: 'closing', id: 'b0', meta: EXTRAS.meta } },
    ]);
    socket.message('r0', EXTRAS);
    await settle();
    expect(messages).toMatchObject([{ id: 'r0', ...EXTRAS }]);
    await client.close();
  });

  it('is what it was when it was sent, whatever the application does with it later', async () => {
    const { client, online } = stage();
    const meta = { to: ['a'] };
    client.send('bob', 'x', { id: 'm0', meta });
    meta.to.push('b');
    const socket = await online();
    expect(socket.sent).toMatchObject([{ data: { meta: { to: ['a'] } } }]);
    await client.close();
  });

  it('is refused when JSON cannot hold it', async () => {
    const { client } = stage();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    await expect(client.send('bob', 'x', { meta: circle }).settled).rejects.toMatchObject({ code: 'BAD_FRAME' });
    expect(client.pending).toEqual([]);
    await client.close();
  });

  it('counts as content in the limits', async () => {
    const { client, online, statuses } = stage();
    client.send('bob', '12345', { id: 'm0', meta: { a: 1 } }); // 5 bytes and 7
    client.send('bob', '1234', { id: 'm1', meta: { a: 1 } });
    const socket = await online({ maxContentBytes: 11 });
    expect(socket.ids()).toEqual(['m1']);
    expect(statuses()).toEqual(['m0 CONTENT_TOO_LARGE']);
    await client.close();
  });

  it('ends a message in the outbox with its ttl, of which the server gets the rest', async () => {
    const { client, online, statuses } = stage();
    client.send('bob', 'x', { id: 'm0', ttl: 20 });
    client.send('bob', 'x', { id: 'm1', ttl: 40 });
    await pass(30_000);
    const socket = await online();
    expect(socket.sent).toMatchObject([{ event: 'send', data: { id: 'm1', ttl: 10 } }]);
    expect(statuses()).toEqual(['m0 TOO_OLD']);
    await client.close();
  });

  it('lets a ttl of 0 wait ten seconds for the connection, and hears that nobody was there', async () => {
    const { client, online } = stage();
    const early = client.send('bob', 'x', { id: 'm0', ttl: 0 });
    await pass(9_000);
    const late = client.send('bob', 'x', { id: 'm1', ttl: 0 });
    await pass(2_000);
    const socket = await online();
    await expect(early.settled).rejects.toMatchObject({ code: 'TOO_OLD' });
    expect(socket.sent).toMatchObject([{ data: { id: 'm1', ttl: 0 } }]);
    socket.receipt('m1', 'absent');
    await expect(late.settled).resolves.toMatchObject({ status: 'absent' });
    await client.close();
  });
});
