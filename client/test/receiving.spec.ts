import { MemoryStore } from '../src/index.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();

/** A store that says it outlives the page, as IndexedDB does. */
class LastingStore extends MemoryStore {
  override readonly persistent = true as never;
}

/** A promise that the test resolves. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

describe('receiving', () => {
  it('hands messages one after the other, each when the handlers of the one before are done', async () => {
    const { client, online } = stage();
    const handed: string[] = [];
    const first = gate();
    client.on('message', async ({ id }) => {
      handed.push(id);
      if (id === 'm0') await first.opened;
    });
    const socket = await online();
    for (const id of ['m0', 'm1', 'm2']) socket.message(id);
    await settle();
    expect(handed).toEqual(['m0']);
    first.open();
    await settle();
    expect(handed).toEqual(['m0', 'm1', 'm2']);
    await client.close();
  });

  it('acknowledges what the store keeps at once, whatever handlers do', async () => {
    const { client, online } = stage({ store: new LastingStore() });
    client.on('message', () => new Promise(() => undefined));
    const socket = await online();
    for (const id of ['m0', 'm1', 'm2']) socket.message(id);
    await pass(50);
    expect(socket.acked).toBe(3);
  });

  it('acknowledges after the handlers when the store ends with the page', async () => {
    const { client, online } = stage();
    const first = gate();
    client.on('message', () => first.opened);
    const socket = await online();
    socket.message('m0');
    await pass(1_000);
    expect(socket.acked).toBe(0);
    first.open();
    await pass(50);
    expect(socket.acked).toBe(1);
    await client.close();
  });

  it('acknowledges at once when half a window is due', async () => {
    const { client, online, listen } = stage();
    listen();
    const socket = await online({ ackWindow: 8 });
    for (const id of ['m0', 'm1', 'm2', 'm3']) socket.message(id);
    await settle();
    expect(socket.acked).toBe(4);
    await client.close();
  });

  it('hands a repeat once, and acknowledges it', async () => {
    const { client, online, server, messages, listen } = stage();
    listen();
    const first = await online();
    first.message('m0');
    first.message('m0');
    await settle();
    first.end();
    await pass(500);
    server.last.welcome();
    server.last.message('m0');
    server.last.message('m1');
    await pass(50);
    expect(messages.map(({ id }) => id)).toEqual(['m0', 'm1']);
    expect(server.last.acked).toBe(2);
    await client.close();
  });

  it('hands a message of the same id of another sender', async () => {
    const { client, online, messages, listen } = stage();
    listen();
    const socket = await online();
    socket.message('m0', { from: 'bob' });
    socket.message('m0', { from: 'carol' });
    await settle();
    expect(messages.map(({ from }) => from)).toEqual(['bob', 'carol']);
    await client.close();
  });

  it('keeps messages until somebody listens', async () => {
    const { client, online, messages, listen } = stage();
    const socket = await online();
    socket.message('m0');
    await pass(1_000);
    expect(socket.acked).toBe(0);
    listen();
    await pass(50);
    expect(messages).toMatchObject([{ id: 'm0', redelivered: false }]);
    expect(socket.acked).toBe(1);
    await client.close();
  });

  it('hands again, with a mark, what an earlier page was given and did not finish', async () => {
    const store = new LastingStore();
    const before = stage({ store });
    before.client.on('message', ({ id }) => (id === 'm0' ? undefined : new Promise(() => undefined)));
    const socket = await before.online();
    for (const id of ['m0', 'm1', 'm2']) socket.message(id);
    await pass(50); // The page ends here.
    const after = stage({ store });
    after.listen();
    const again = await after.online();
    again.message('m3');
    await settle();
    expect(after.messages).toMatchObject([
      { id: 'm1', redelivered: true },
      { id: 'm2', redelivered: true },
      { id: 'm3', redelivered: false },
    ]);
    await after.client.close();
  });

  it('tries a handler that fails five times, tells the error, and goes on', async () => {
    const { client, online, errors } = stage();
    const handed: string[] = [];
    client.on('message', ({ id }) => {
      handed.push(id);
      if (id === 'm0') throw new Error('no');
    });
    const socket = await online();
    socket.message('m0');
    socket.message('m1');
    await pass(1_600);
    expect(handed).toEqual(['m0', 'm0', 'm0', 'm0', 'm0', 'm1']);
    expect(errors).toMatchObject([{ about: 'handler', error: { message: 'no' } }]);
    await client.close();
  });

  it('does not call a handler again that was done while another one failed', async () => {
    const { client, online, messages, listen } = stage();
    listen();
    let tries = 0;
    client.on('message', () => {
      if ((tries += 1) < 3) throw new Error('no');
    });
    (await online()).message('m0');
    await pass(1_000);
    expect([messages.length, tries]).toEqual([1, 3]);
    await client.close();
  });

  it('says that it has caught up when all that waited was handed', async () => {
    const { client, online } = stage();
    const order: string[] = [];
    const first = gate();
    client.on('message', async ({ id }) => {
      await first.opened;
      order.push(id);
    });
    client.on('caughtUp', ({ delivered }) => order.push(`caught up ${delivered}`));
    const socket = await online();
    socket.message('m0', { stored: true });
    socket.say('caught-up', { delivered: 1 });
    socket.message('m1');
    await settle();
    expect(order).toEqual([]);
    first.open();
    await settle();
    expect(order).toEqual(['m0', 'caught up 1', 'm1']);
    await client.close();
  });

  it('hands broadcasts in their place, and acknowledges none', async () => {
    const { client, online, messages, listen } = stage();
    listen();
    const socket = await online();
    socket.message('m0');
    socket.say('message', { id: 'b0', from: 'bob', to: '*', content: 'all', sentAt: '', stored: false });
    socket.message('m1');
    await pass(50);
    expect(messages.map(({ id, to }) => `${id} ${to}`)).toEqual(['m0 alice', 'b0 *', 'm1 alice']);
    expect(socket.acked).toBe(2);
    await client.close();
  });

  it('lets the server keep what is more than 1,000 ahead of the handlers', async () => {
    const { client, online } = stage({ store: new LastingStore() });
    const first = gate();
    client.on('message', () => first.opened);
    const socket = await online({ ackWindow: 5_000 });
    for (let n = 0; n < 900; n += 1) socket.message(`a${n}`);
    await pass(50);
    expect(socket.acked).toBe(900);
    for (let n = 0; n < 900; n += 1) socket.message(`b${n}`);
    await pass(50);
    expect(socket.acked).toBe(900);
    first.open();
    await pass(50);
    expect(socket.acked).toBe(1_800);
    await client.close();
  });

  it('goes on in the memory when the store fails, and says so once', async () => {
    class FullStore extends LastingStore {
      override async receive(): Promise<never> {
        throw new Error('the disk is full');
      }
    }
    const { client, online, messages, listen, errors } = stage({ store: new FullStore() });
    listen();
    const socket = await online();
    socket.message('m0');
    await settle();
    socket.message('m1');
    await pass(50);
    expect(messages.map(({ id }) => id)).toEqual(['m0', 'm1']);
    expect(socket.acked).toBe(2);
    expect(errors).toMatchObject([{ about: 'store', error: { message: 'the disk is full' } }]);
    expect(await client.send('bob', 'x').kept).toEqual({ persistent: false });
    await client.close();
  });

  it('ignores events and fields that it does not know', async () => {
    const { client, online, messages, listen, errors } = stage();
    listen();
    const socket = await online();
    socket.onmessage?.({ data: '{"event":"weather","data":{"sky":"blue"}}' });
    socket.message('m0', { colour: 'red' } as never);
    await settle();
    expect(messages).toHaveLength(1);
    expect(errors).toEqual([]);
    await client.close();
  });
});
