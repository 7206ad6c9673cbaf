import { MemoryStore, RefusedError } from '../src/index.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `m${from + n}`);

describe('sending', () => {
  it('keeps what was sent while offline, and writes it in order when online', async () => {
    const { client, online } = stage();
    for (const id of ids(5)) client.send('bob', `text ${id}`, { id });
    await settle();
    expect(client.pending.map(({ id }) => id)).toEqual(ids(5));
    const socket = await online();
    expect(socket.ids()).toEqual(ids(5));
    await client.close();
  });

  it('resolves kept before settled, and settled with the first receipt', async () => {
    const { client, online, statuses } = stage();
    const sent = client.send('bob', 'hi', { id: 'm0' });
    expect(await sent.kept).toEqual({ persistent: false });
    const socket = await online();
    socket.receipt('m0', 'stored');
    expect(await sent.settled).toMatchObject({ id: 'm0', to: 'bob', status: 'stored' });
    expect(client.pending).toEqual([]);
    socket.say('endings', [{ id: 'm0', to: 'bob', end: 'delivered' }]);
    await settle();
    expect(statuses()).toEqual(['m0 stored', 'm0 delivered']);
    await client.close();
  });

  it('writes what has no receipt again after a lost connection, with the same ids and in order', async () => {
    const { client, online, server } = stage();
    const first = await online();
    for (const id of ids(4)) client.send('bob', id, { id });
    await settle();
    first.receipt('m1');
    first.end();
    await pass(500);
    server.last.welcome();
    await settle();
    expect(server.last.ids()).toEqual(['m0', 'm2', 'm3']);
    await client.close();
  });

  it('has 16 messages on the wire at most', async () => {
    const { client, online } = stage();
    const socket = await online();
    for (const id of ids(20)) client.send('bob', id, { id });
    await settle();
    expect(socket.ids()).toEqual(ids(16));
    socket.receipt('m0');
    await settle();
    expect(socket.ids()).toEqual(ids(17));
    await client.close();
  });

  it('is as fast as the server allows, and no faster', async () => {
    const { client, online, server } = stage();
    server.answer = (socket, { event, data }) => event === 'send' && socket.receipt((data as { id: string }).id);
    const socket = await online({ framesPerSecond: 20, frameBurst: 60 });
    for (const id of ids(120)) client.send('bob', id, { id });
    await settle();
    expect(socket.ids()).toEqual(ids(60));
    await pass(1_000);
    expect(socket.ids()).toHaveLength(80);
    await pass(2_000);
    expect(socket.ids()).toEqual(ids(120));
    await client.close();
  });

  it('sends a broadcast when its turn comes, and never twice', async () => {
    const { client, online, server } = stage();
    const first = await online({ broadcastsPerSecond: 1 });
    const all = ids(11).map((id) => client.broadcast(id, { id }));
    await settle();
    expect(first.ids('broadcast')).toEqual(ids(10));
    for (const id of ids(9)) first.receipt(id, 'broadcast');
    expect(await all[0]!.settled).toMatchObject({ status: 'broadcast', to: null });
    first.end();
    await expect(all[9]!.settled).rejects.toMatchObject({ code: 'UNKNOWN' });
    await pass(500);
    server.last.welcome();
    await settle();
    expect(server.last.ids('broadcast')).toEqual(['m10']);
    await client.close();
  });

  it('holds one recipient whose mailbox is full, and lets others go on', async () => {
    const { client, online } = stage();
    const socket = await online();
    client.send('bob', '1', { id: 'b1' });
    client.send('bob', '2', { id: 'b2' });
    await settle();
    socket.refuse('b1', { code: 'MAILBOX_FULL', temporary: true });
    client.send('bob', '3', { id: 'b3' });
    client.send('carol', '1', { id: 'c1' });
    await settle();
    expect(socket.ids()).toEqual(['b1', 'b2', 'c1']);
    await pass(1_000);
    // The refused one and all behind it, in order [protocol 2.4].
    expect(socket.ids()).toEqual(['b1', 'b2', 'c1', 'b1', 'b2', 'b3']);
    await client.close();
  });

  it.each(['STORE_UNAVAILABLE', 'STORE_FULL', 'SENDER_QUOTA'] as const)('holds the line on %s', async (code) => {
    const { client, online } = stage();
    const socket = await online();
    client.send('bob', '1', { id: 'b1' });
    await settle();
    socket.refuse('b1', { code, temporary: true, ...(code === 'SENDER_QUOTA' ? { scope: 'sender' } : {}) });
    client.send('carol', '1', { id: 'c1' });
    await settle();
    expect(socket.ids()).toEqual(['b1']);
    await pass(1_000);
    expect(socket.ids()).toEqual(['b1', 'b1', 'c1']);
    await client.close();
  });

  it('waits longer after each refusal, 30 s at most, and not any more after a receipt', async () => {
    const { client, online, server } = stage();
    server.pongs(); // Pauses are longer than the client waits for an answer.
    const socket = await online();
    client.send('bob', '1', { id: 'b1' });
    await settle();
    const pauses: number[] = [];
    for (let n = 1; n <= 8; n += 1) {
      socket.refuse('b1', { code: 'STORE_FULL', temporary: true });
      let waitedMs = 0;
      for (; socket.ids().length === n && waitedMs < 60_000; waitedMs += 100) await pass(100);
      pauses.push(waitedMs);
    }
    expect(pauses[0]).toBeLessThanOrEqual(1_100);
    expect(pauses.at(-1)).toBeGreaterThan(14_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_100);
    socket.receipt('b1');
    client.send('bob', '2', { id: 'b2' });
    await settle();
    socket.refuse('b2', { code: 'STORE_FULL', temporary: true });
    await pass(1_000);
    expect(socket.ids().filter((id) => id === 'b2')).toHaveLength(2);
    await client.close();
  });

  it('rejects settled with the code of a final refusal, and forgets the message', async () => {
    const { client, online } = stage();
    const socket = await online();
    const { settled } = client.send('b|b', 'x', { id: 'm0' });
    await settle();
    socket.refuse('m0', { code: 'BAD_RECIPIENT', message: 'no such name' });
    await expect(settled).rejects.toThrow(new RefusedError('BAD_RECIPIENT', 'no such name'));
    expect(client.pending).toEqual([]);
    await client.close();
  });

  it('gives up the biggest message on the wire when a frame was too big, and sends the others again', async () => {
    const { client, online, server, statuses } = stage();
    const socket = await online();
    client.send('bob', 'short', { id: 'm0' });
    client.send('bob', 'x'.repeat(1_000), { id: 'm1' });
    client.send('bob', 'short too', { id: 'm2' });
    await settle();
    socket.end(1009);
    await pass(500);
    server.last.welcome();
    await settle();
    expect(statuses()).toEqual(['m1 CONTENT_TOO_LARGE']);
    expect(server.last.ids()).toEqual(['m0', 'm2']);
    await client.close();
  });

  it('never writes content that is longer than the server takes', async () => {
    const { client, online, statuses } = stage();
    client.send('bob', 'é'.repeat(6), { id: 'm0' });
    client.send('bob', 'é'.repeat(5), { id: 'm1' });
    const socket = await online({ maxContentBytes: 10 });
    expect(socket.ids()).toEqual(['m1']);
    expect(statuses()).toEqual(['m0 CONTENT_TOO_LARGE']);
    await client.close();
  });

  it('refuses what is beyond the limits of the outbox, in messages and in bytes', async () => {
    const { client } = stage({ outbox: { maxMessages: 2, maxBytes: 10 } });
    client.send('bob', '12345', { id: 'm0' });
    const tooMuch = client.send('bob', '123456', { id: 'm1' });
    await expect(tooMuch.kept).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    await expect(tooMuch.settled).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    client.send('bob', '', { id: 'm2' });
    await expect(client.send('bob', '', { id: 'm3' }).settled).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    expect(client.pending.map(({ id }) => id)).toEqual(['m0', 'm2']);
    await client.close();
  });

  it('refuses what waited too long', async () => {
    const { client, online } = stage({ outbox: { maxAgeMs: 1_000 } });
    const { settled } = client.send('bob', 'old', { id: 'm0' });
    await pass(1_001);
    client.send('bob', 'new', { id: 'm1' });
    const socket = await online();
    await expect(settled).rejects.toMatchObject({ code: 'TOO_OLD' });
    expect(socket.ids()).toEqual(['m1']);
    await client.close();
  });

  it('takes a message back that is not on the wire, and no other', async () => {
    const { client, online } = stage();
    const socket = await online();
    for (const id of ids(17)) client.send('bob', id, { id });
    await settle();
    client.cancel('m16');
    client.cancel('m0');
    for (const id of ids(16)) socket.receipt(id);
    await settle();
    expect(socket.ids()).toEqual(ids(16));
    expect(client.pending).toEqual([]);
    await client.close();
  });

  it('refuses an id that the server would not take', async () => {
    const { client } = stage();
    await expect(client.send('bob', 'x', { id: 'a b' }).settled).rejects.toMatchObject({ code: 'BAD_FRAME' });
    await client.close();
  });

  it('sends once what was sent twice with one id', async () => {
    const { client, online } = stage();
    expect(client.send('bob', 'x', { id: 'm0' })).toBe(client.send('bob', 'x', { id: 'm0' }));
    expect((await online()).ids()).toEqual(['m0']);
    await client.close();
  });

  it('goes on with what an earlier client has left in the store', async () => {
    const store = new MemoryStore();
    const before = stage({ store });
    for (const id of ids(3)) before.client.send('bob', id, { id });
    await settle();
    await before.client.close();
    const after = stage({ store });
    after.client.send('bob', 'last', { id: 'm3' });
    const socket = await after.online();
    expect(socket.ids()).toEqual(ids(4));
    await after.client.close();
  });

  it('rejects what has no outcome when it is closed, and leaves it in the store', async () => {
    const store = new MemoryStore();
    const { client } = stage({ store });
    const { settled } = client.send('bob', 'x', { id: 'm0' });
    await settle();
    await client.close();
    await expect(settled).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await store.outbox()).toHaveLength(1);
    await expect(client.send('bob', 'x').settled).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('removes everything at clear, and goes offline', async () => {
    const store = new MemoryStore();
    const { client, online, states } = stage({ store });
    const socket = await online();
    client.send('bob', 'x', { id: 'm0' });
    socket.message('in');
    await settle();
    await client.clear();
    expect(await Promise.all([store.outbox(), store.inbox()])).toEqual([[], []]);
    expect(socket.isClosed).toBe(true);
    expect(states.at(-1)).toMatchObject({ state: 'idle' });
    await client.close();
  });
});
