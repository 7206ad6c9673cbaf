import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

alone('process').describe('going away', () => {
  it('closes every connection with 1001 and a reason, and keeps everything undelivered', async () => {
    let chat = await ChatApp.start();
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    const carol = await chat.connect('carol', { autoPong: false });
    alice.sendJson('send', { to: 'dave', content: 'for later', id: 'm-1' });
    alice.sendJson('send', { to: 'bob', content: 'in flight', id: 'm-2' });
    alice.sendJson('send', { to: 'carol', content: 'unconfirmed', id: 'm-3' });
    await bob.until('message');
    expect(await carol.next()).toBe('unconfirmed');
    const stopped = chat.app.close();
    const statuses = new Map<string, string>();
    while (statuses.size < 3) {
      for (const { id, status } of (await alice.until('receipts')).data) statuses.set(id, status);
    }
    expect([...statuses.values()]).toEqual(['stored', 'stored', 'stored']);
    for (const client of [alice, bob, carol]) {
      expect((await client.expectClose(1001)).reason).toMatch(/going away/);
    }
    await stopped;
    chat = await ChatApp.start({}, chat.folder);
    expect(chat.delivery.totals).toMatchObject({ recovered: 3, pending: 3 });
    for (const [user, content] of [
      ['bob', 'in flight'],
      ['carol', 'unconfirmed'],
      ['dave', 'for later'],
    ] as const) {
      const client = await chat.connect(user);
      expect(await client.next()).toMatch(new RegExp(`Z:${content}$`));
    }
    await chat.dispose();
  });

  it('tells many clients one group after the other, each when to come back, and serves those it has not told', async () => {
    const clock = new ManualClock();
    const chat = await ChatApp.start({ clock, maxConnections: null });
    const crowd: TestClient[] = [];
    for (let n = 0; n < 249; n += 1) crowd.push(await chat.connect(`user-${n}`));
    const last = await chat.connectJson('last');
    await last.nextJson('caught-up');
    const reasons: string[] = [];
    for (const { closed } of [...crowd, last]) void closed.then(({ reason }) => reasons.push(reason));
    const stopped = chat.app.close();
    for (const told of [100, 200]) {
      await eventually(() => reasons.length === told && chat.connections.count === 250 - told);
      for (const [to, status] of [
        ['user-248', 'delivered'],
        ['user-0', 'stored'],
        ['nobody', 'stored'],
      ] as const) {
        last.sendJson('send', { to, content: `with ${told} gone`, id: `${to}-${told}` });
        const { data } = await last.nextJson('receipts');
        expect(data).toMatchObject([{ id: `${to}-${told}`, status }]);
      }
      expect(reasons).toHaveLength(told);
      expect((await chat.rest('GET', '/health/ready')).status).toBe(503);
      await expect(chat.connect('late')).rejects.toMatchObject({
        status: 503,
        body: { code: 'GOING_AWAY' },
        headers: { connection: 'close', 'retry-after': '5' },
      });
      clock.advance(50);
    }
    await stopped;
    for (const client of [...crowd, last]) await client.expectClose(1001);
    const hints = reasons.map((reason) => /^the server is going away; retry-after=([1-4])$/.exec(reason)?.[1]);
    expect(hints).toHaveLength(250);
    expect(new Set(hints)).toEqual(new Set(['1', '2', '3', '4']));
    const again = await ChatApp.start({}, chat.folder);
    expect(again.delivery.totals).toMatchObject({ recovered: 4, pending: 4 });
    await again.dispose();
  });

  it('takes nothing more while it stores, so that this comes to an end, and what came meanwhile afterwards', async () => {
    const clock = new ManualClock();
    const chat = await ChatApp.start({ clock, maxConnections: null });
    for (let n = 0; n < 100; n += 1) await chat.connect(`user-${n}`);
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const disk = chat.blockDisk();
    bob.send('erin|before');
    await eventually(() => chat.heldInMemory('erin') === 1);
    const stopped = chat.app.close();
    await expect(chat.connect('late')).rejects.toMatchObject({ status: 503 }); // From here on the server stores.
    alice.send('carol|one');
    alice.send('carol|two');
    bob.send('dave|one');
    const received = (user: string) => chat.connections.ofUser(user)[0]!.received;
    await eventually(() => received('alice') === 2 && received('bob') === 2);
    expect(['carol', 'dave'].map((user) => chat.heldInMemory(user))).toEqual([0, 0]);
    disk.release();
    await chat.untilPending('carol', 2);
    clock.advance(50);
    for (const client of [alice, bob]) await client.expectClose(1001);
    await stopped;
  });

  it('receipts all that it has read from a client before its close frame, whatever others go on to send', async () => {
    const chat = await ChatApp.start();
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    await bob.nextJson('caught-up');
    const disk = chat.blockDisk();
    for (let n = 1; n <= 100; n += 1)
      alice.sendJson('send', { to: n % 2 ? 'carol' : 'bob', content: 'x', id: `m-${n}` });
    await eventually(() => bob.unread.length === 50);
    const stopped = chat.app.close();
    disk.release();
    let receipts = 0;
    while (receipts < 100) receipts += (await alice.until('receipts')).data.length;
    await alice.expectClose(1001);
    await stopped;
  });

  it('closes a JSON client when it has acknowledged what it got, and writes no more messages to it meanwhile', async () => {
    const { chat, alice, bob, stop } = await withMessageInFlight();
    const { stopped } = await stop();
    alice.sendJson('send', { to: 'bob', content: 'new', id: 'm-2' });
    const stored = ['m-1', 'm-2'].map((id) => ({ id, status: 'stored' })); // In order: no commit leaves the first behind.
    expect((await alice.until('receipts')).data).toMatchObject(stored);
    await expectToBeServed(bob);
    bob.sendJson('ack', { seq: 1 });
    for (const client of [alice, bob]) await client.expectClose(1001);
    await stopped;
    await expectToWait(chat, ['new']);
  });

  it('waits a second for an acknowledgement, and then keeps what has none', async () => {
    const { chat, clock, alice, bob, stop } = await withMessageInFlight();
    const { stopped } = await stop();
    clock.advance(999);
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'stored' }]);
    await expectToBeServed(bob);
    clock.advance(1);
    for (const client of [alice, bob]) await client.expectClose(1001);
    await stopped;
    await expectToWait(chat, ['in flight']);
  });

  it('asks a text client for a pong, which it had put off, and closes it when that comes', async () => {
    const clock = new ManualClock();
    const chat = await ChatApp.start({ clock });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob', { autoPong: false })];
    const pings: Buffer[] = [];
    bob.socket.on('ping', (payload) => pings.push(payload));
    alice.send('bob|one');
    await eventually(() => pings.length === 1);
    bob.socket.pong(pings[0]);
    await chat.untilTotals({ confirmed: 1 });
    alice.send('bob|two'); // As the clock stands still, its ping does not come by itself.
    expect(await bob.take(2)).toEqual(['one', 'two']);
    const { stopped } = await stopOf(chat);
    await eventually(() => pings.length === 2);
    bob.socket.pong(pings[1]);
    for (const client of [alice, bob]) await client.expectClose(1001);
    await stopped;
    expect(chat.delivery.totals).toMatchObject({ confirmed: 2, pending: 0, inFlight: 0 });
    await expectToWait(chat, []);
  });

  it('waits for nobody who does not answer the close frame', async () => {
    const clock = new ManualClock();
    const chat = await ChatApp.start({ clock });
    const silent = await chat.connect('silent');
    silent.socket.pause();
    let stopped = false;
    const stop = chat.app.close().then(() => (stopped = true));
    await eventually(() => {
      clock.advance(1_000);
      return stopped;
    });
    await stop;
    await silent.drop();
  });

  it('leaves no handle behind', async () => {
    const before = handles();
    for (let n = 0; n < 10; n += 1) {
      const chat = await ChatApp.start();
      const alice = await chat.connect('alice');
      alice.send('bob|x');
      await chat.untilPending('bob', 1);
      await alice.close();
      await chat.dispose();
    }
    await eventually(
      () => handles().length <= before.length,
      () => `${handles().join()} is no more than ${before.join()}`,
    );
  });
});

/** A server whose clock stands still, and a message that Bob got and has not acknowledged. */
async function withMessageInFlight() {
  const clock = new ManualClock();
  const chat = await ChatApp.start({ clock });
  const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
  alice.sendJson('send', { to: 'bob', content: 'in flight', id: 'm-1' });
  await bob.until('message');
  return { chat, clock, alice, bob, stop: () => stopOf(chat) };
}

/** Begins to stop the server; resolves to the end of that when it has begun to close connections. */
async function stopOf(chat: ChatApp): Promise<{ readonly stopped: Promise<void> }> {
  const stopped = chat.app.close();
  await expect(chat.connect('late')).rejects.toMatchObject({ status: 503 });
  return { stopped };
}

/** Rejects if the connection is closed, or if a message comes before the answer. */
async function expectToBeServed(client: TestClient): Promise<void> {
  client.sendJson('ping', {});
  await client.nextJson('pong');
}

/** Starts the server again and reads what waits for Bob. */
async function expectToWait(chat: ChatApp, contents: readonly string[]): Promise<void> {
  const again = await ChatApp.start({}, chat.folder);
  const bob = await again.connect('bob');
  expect((await bob.take(contents.length)).map((frame) => frame.replace(/^.*Z:/, ''))).toEqual(contents);
  await bob.expectNothingElse('bob');
  await again.dispose();
}

function handles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|FSReq/.test(kind));
}
