import fc from 'fast-check';
import { createClient, statusOf, type RecordClient } from 'holdfast-client/record';
import { ChatApp } from '../../support/chat-app.js';
import { CutSockets, type Cut } from '../../support/client-page.js';
import { eventually } from '../../support/deadline.js';
import { SEED } from '../../support/seed.js';

const DAY = 86_400_000;
const cuts = fc.array(fc.record({ frames: fc.integer({ min: 1, max: 30 }), losesLast: fc.boolean() }), {
  maxLength: 6,
});
/** Who says something: one of the devices, or nobody, and then the device is off or on again. */
const step = fc.record({ device: fc.integer({ min: 0, max: 3 }), says: fc.boolean() });

describe('clients of the record', () => {
  let chat: ChatApp;
  let clients: RecordClient[] = [];
  const errors: unknown[] = [];

  beforeEach(async () => {
    chat = await ChatApp.start({ sessions: 'multiple', record: { keepMs: DAY } });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    await chat.dispose();
    const told = errors.splice(0);
    if (told.length > 0) throw new Error(`a client told of errors: ${JSON.stringify(told)}`);
  });

  async function device(user: string, cut: readonly Cut[] = []): Promise<RecordClient> {
    const { WebSocket: CutSocket } = new CutSockets(cut);
    const reconnect = { minDelayMs: 1, maxDelayMs: 5 };
    const url = chat.url(user);
    const client = createClient({ url, user, store: 'memory', WebSocket: CutSocket, reconnect });
    client.on('error', ({ about, error }) => errors.push([about, String(error)]));
    clients.push(client);
    client.connect();
    await eventually(() => client.state.state === 'online' && client.recordMs === DAY);
    return client;
  }

  const contents = (client: RecordClient, name: string) =>
    client.conversation(name).messages.map(({ content }) => content);

  async function untilContents(client: RecordClient, name: string, expected: readonly string[]): Promise<void> {
    await eventually(
      () => JSON.stringify(contents(client, name)) === JSON.stringify(expected),
      () => `${JSON.stringify(expected)}; it is ${JSON.stringify(contents(client, name))}`,
    );
  }

  it('show the same conversation on two devices and on a new one, with marks that both sides see', async () => {
    const [phone, laptop, bob] = [await device('alice'), await device('alice'), await device('bob')];
    await phone.send('bob', 'from the phone').settled;
    await laptop.send('bob', 'from the laptop').settled;
    await bob.send('alice', 'from bob').settled;
    const all = ['from the phone', 'from the laptop', 'from bob'];
    for (const client of [phone, laptop]) await untilContents(client, 'bob', all);
    await untilContents(bob, 'alice', all);
    expect([phone.unread, laptop.unread, bob.unread]).toEqual([1, 1, 2]);

    phone.markRead('bob');
    await eventually(() => laptop.unread === 0);
    bob.markRead('alice');
    const statuses = () => {
      const conversation = phone.conversation('bob');
      return conversation.messages.slice(0, 2).map((message) => statusOf(conversation, message));
    };
    await eventually(
      () => statuses().join() === 'read,read',
      () => `both are read; they are ${statuses().join()}`,
    );

    const tablet = await device('alice');
    await eventually(() => tablet.conversations.length === 1);
    tablet.open('bob');
    await untilContents(tablet, 'bob', all);
    expect(tablet.conversation('bob')).toMatchObject({ unread: 0, hasEarlier: false, isLoaded: true });
  });

  it('bring after a reconnect what another device has sent and got, in the order of the record', async () => {
    const [phone, bob] = [await device('alice'), await device('bob')];
    await phone.send('bob', '0').settled;
    await untilContents(phone, 'bob', ['0']);
    phone.disconnect();
    await eventually(() => phone.state.state === 'idle');
    const laptop = await device('alice');
    const expected = ['0'];
    for (let n = 1; n <= 60; n += 1) {
      const content = String(n);
      await (n % 2 ? laptop.send('bob', content) : bob.send('alice', content)).settled;
      expected.push(content);
    }
    phone.connect();
    await untilContents(phone, 'bob', expected);
    await untilContents(bob, 'alice', expected);
    const positions = (client: RecordClient, name: string) =>
      client.conversation(name).messages.map(({ position }) => position);
    expect(positions(phone, 'bob')).toEqual(positions(bob, 'alice'));
  });

  it('bring earlier messages page by page, and more conversations', async () => {
    const bob = await device('bob');
    for (let n = 0; n < 120; n += 1) await bob.send('alice', String(n)).settled;
    const alice = await device('alice');
    alice.open('bob');
    await eventually(() => alice.conversation('bob').messages.length === 50);
    await alice.earlier('bob');
    await alice.earlier('bob');
    expect(contents(alice, 'bob')).toEqual(Array.from({ length: 120 }, (_, n) => String(n)));
    expect([alice.conversation('bob').hasEarlier, alice.unread]).toEqual([false, 120]);
    const page = await alice.history('bob', { after: alice.conversation('bob').messages[9]!.position, limit: 5 });
    expect(page.items.map(({ content }) => content)).toEqual(['10', '11', '12', '13', '14']);
  });

  it('have the same in the same order in the end, whatever was cut, and whoever was off', async () => {
    let round = 0;
    const run = async (wires: readonly (readonly Cut[])[], steps: readonly { device: number; says: boolean }[]) => {
      round += 1;
      const names = [`alice${round}`, `alice${round}`, `bob${round}`, `bob${round}`];
      const devices = await Promise.all(names.map((name, index) => device(name, wires[index])));
      for (const [index, client] of devices.entries()) client.open(names[index < 2 ? 2 : 0]!);
      const off = new Set<number>();
      const sent: Promise<unknown>[] = [];
      for (const [number, { device: index, says }] of steps.entries()) {
        const client = devices[index]!;
        if (says) sent.push(client.send(names[index < 2 ? 2 : 0]!, String(number)).settled);
        else if (off.delete(index)) client.connect();
        else {
          off.add(index);
          client.disconnect();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const client of devices) client.connect();
      await Promise.all(sent);
      const pictureOf = (index: number) =>
        devices[index]!.conversation(names[index < 2 ? 2 : 0]!)
          .messages.map(({ position, from, content }) => `${position} ${from}: ${content}`)
          .join('\n');
      const isDone = () => [0, 1, 2, 3].every((index) => pictureOf(index) === pictureOf(0));
      const isWhole = () => pictureOf(0).split('\n').filter(Boolean).length === sent.length;
      await eventually(
        () => isDone() && isWhole(),
        () => `the same ${sent.length} messages on all devices: ${JSON.stringify([0, 1, 2, 3].map(pictureOf))}`,
      );
      for (const client of devices) await client.close();
    };
    const property = fc.asyncProperty(
      fc.array(cuts, { minLength: 4, maxLength: 4 }),
      fc.array(step, { minLength: 1, maxLength: 60 }),
      run,
    );
    await fc.assert(property, { numRuns: 8, seed: SEED, endOnFailure: true });
  });
});
