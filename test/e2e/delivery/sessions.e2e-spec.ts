import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { FakeSocket } from '../../support/fake-socket.js';
import { alone } from '../../support/test-nodes.js';

type FakeSide = ReturnType<typeof FakeSocket.open>;

const strip = (frame: string) => frame.replace(/^\d{4}-.*?Z:/, '');

describe('the connections of one user', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  it('hand over to the newest one under replace; the old one is closed with 4409', async () => {
    chat = await ChatApp.start();
    const [alice, old] = [await chat.connect('alice'), await chat.connect('bob')];
    const fresh = await chat.connect('bob');
    await old.expectClose(4409);
    alice.send('bob|to the new one');
    expect(await fresh.next()).toBe('to the new one');
    await eventually(() => chat.connections.ofUser('bob').length === 1);
  });

  alone('parts').it('hand over to the one that came last, while what waits is still asked for', async () => {
    chat = await ChatApp.start();
    const alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: 'bob', content: 'to the last' });
    await alice.until('receipts');
    const [first, last] = [1, 2].map(() => FakeSocket.open(chat.connections, 'bob')) as [FakeSide, FakeSide];
    for (const { connection } of [first, last]) chat.delivery.attach(connection);
    expect(first.socket.closeCode).toBe(4409);
    await eventually(() => last.socket.messages().length === 1);
    expect(last.socket.closeCode).toBeNull();
    expect(first.socket.frames).toEqual([]);
    chat.delivery.detach(last.connection);
    for (const { connection } of [first, last]) chat.connections.remove(connection);
  });

  it('lose and double nothing that the old one had confirmed when the new one takes over under load', async () => {
    chat = await ChatApp.start({ maxPendingPerSender: null, maxPendingPerUser: null });
    const alice = await chat.connect('alice');
    const total = 600; // With 100 for each of six connections: five take over.
    const received: number[] = [];
    let previous = await chat.connectJson('bob');
    let acknowledged = 0;
    for (let n = 1; n <= total; n += 1) alice.send(`bob|${n}`);
    while (acknowledged < total) {
      // Each connection reads some, acknowledges half of that, and is replaced while more is coming.
      const contents: number[] = [];
      for (let n = 0; n < 200 && contents.at(-1) !== total; n += 1) {
        const { data } = await previous.until('message');
        contents.push(Number(data.content));
        if (contents.length === 100 || Number(data.content) === total) {
          previous.sendJson('ack', { seq: data.seq });
          acknowledged = Number(data.content);
        }
      }
      expect(contents).toEqual(contents.map((_, index) => contents[0]! + index));
      received.push(...contents);
      if (acknowledged === total) break;
      await chat.untilTotals({ confirmed: acknowledged });
      const next = await chat.connectJson('bob');
      await previous.expectClose(4409);
      const first = await next.until('message');
      // Messages that the old one had confirmed do not come again. The others do.
      expect(Number(first.data.content)).toBe(acknowledged + 1);
      received.push(Number(first.data.content));
      previous = next;
    }
    expect(new Set(received).size).toBe(total);
    await chat.untilTotals({ confirmed: total, pending: 0, inFlight: 0 });
  });

  it('all get every message under multiple, and one confirmation is enough', async () => {
    chat = await ChatApp.start({ sessions: 'multiple' });
    const alice = await chat.connectJson('alice');
    const [phone, desk] = [await chat.connectJson('bob'), await chat.connectJson('bob')];
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm-1' });
    expect((await phone.until('message')).data).toMatchObject({ seq: 1, content: 'x' });
    expect((await desk.until('message')).data).toMatchObject({ seq: 1, content: 'x' });
    desk.sendJson('ack', { seq: 1 });
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'delivered' }]);
    phone.sendJson('ack', { seq: 1 });
    await chat.untilTotals({ confirmed: 1, pending: 0, inFlight: 0 });
  });

  it('get the unconfirmed messages of one that leaves', async () => {
    chat = await ChatApp.start({ sessions: 'multiple' });
    const alice = await chat.connect('alice');
    const phone = await chat.connectJson('bob');
    alice.send('bob|before the second came');
    await phone.until('message');
    const desk = await chat.connectJson('bob');
    expect((await desk.until('message')).data).toMatchObject({ content: 'before the second came', stored: true });
    await phone.drop();
    desk.sendJson('ack', { seq: 1 });
    await chat.untilTotals({ confirmed: 1, pending: 0, inFlight: 0 });
  });

  it('store a message that one of several can not take, and each gets it in its order', async () => {
    chat = await ChatApp.start({ sessions: 'multiple', ackWindow: 4 });
    const alice = await chat.connect('alice');
    const [slow, quick] = [await chat.connectJson('bob'), await chat.connect('bob')];
    await slow.nextJson('caught-up');
    for (let n = 1; n <= 40; n += 1) alice.send(`bob|${n}`);
    const frames = (await quick.take(40)).map(strip);
    expect(frames).toEqual(Array.from({ length: 40 }, (_, index) => String(index + 1)));
    await chat.untilTotals({ confirmed: 40, pending: 0, inFlight: 0 });
    for (let n = 1; n <= 4; n += 1) expect((await slow.nextJson('message')).data.content).toBe(String(n));
  });
});
