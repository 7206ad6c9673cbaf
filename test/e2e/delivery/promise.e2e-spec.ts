import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { alone } from '../../support/test-nodes.js';

describe('the promise', () => {
  let chat: ChatApp;
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
  });
  afterEach(() => chat.dispose());

  it('touches no disk for a message that is confirmed in time', async () => {
    chat = await ChatApp.start({ clock });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    for (let n = 0; n < 100; n += 1) alice.send(`bob|${n}`);
    await bob.take(100);
    await confirmed(100);
    clock.advance(1_000);
    await chat.delivery.settle();
    expect((await chat.rest('GET', '/chat/stats')).body.messages).toMatchObject({ accepted: 100, confirmed: 100 });
    expect(chat.storedEver()).toBe(0);
  });

  it('stores what is not confirmed within persistAfterMs, says so, and deletes it at the confirmation', async () => {
    chat = await ChatApp.start({ clock, persistAfterMs: 400 });
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'm-1' });
    await bob.until('message');
    clock.advance(399);
    await chat.delivery.flush();
    expect(await chat.delivery.pendingOf('bob')).toBe(0);
    clock.advance(101);
    await chat.delivery.flush();
    expect(await chat.delivery.pendingOf('bob')).toBe(1);
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'stored' }]);
    bob.sendJson('ack', { seq: 1 });
    await chat.untilPending('bob', 0);
    // The first receipt stands.
    expect((await alice.nextJson('endings')).data).toEqual([{ id: 'm-1', to: 'bob', end: 'delivered' }]);
    await alice.expectNothingElse('alice');
    expect(chat.delivery.totals.confirmed).toBe(1);
  });

  it('stores everything before it is written to anybody with persistAfterMs 0', async () => {
    chat = await ChatApp.start({ persistAfterMs: 0 });
    const alice = await chat.connectJson('alice');
    const bob = await chat.connect('bob', { autoPong: false });
    alice.sendJson('send', { to: 'bob', content: 'first to disk', id: 'm-1' });
    expect(await bob.next()).toBe('first to disk');
    expect(await chat.delivery.pendingOf('bob')).toBe(1);
    expect((await alice.until('receipts')).data).toMatchObject([{ id: 'm-1', status: 'stored' }]);
  });

  it('stores nothing while an older message for the same user is in memory only: a crash leaves no hole', async () => {
    chat = await ChatApp.start({ clock, ackWindow: 2 });
    const alice = await chat.connectJson('alice');
    await chat.connectJson('bob'); // This recipient confirms nothing.
    for (const id of ['m-1', 'm-2', 'm-3']) alice.sendJson('send', { to: 'bob', content: id, id });
    const receipts = (await alice.until('receipts')).data;
    expect(receipts.map(({ id, status }) => `${id} ${status}`)).toEqual(['m-1 stored', 'm-2 stored', 'm-3 stored']);
    const { body } = await chat.rest('GET', '/chat/pending/bob');
    expect((body.items as { id: string }[]).map(({ id }) => id)).toEqual(['m-1', 'm-2', 'm-3']);
  });

  it('sends what was not confirmed again to the next connection, in order, before anything newer', async () => {
    chat = await ChatApp.start({ clock });
    const alice = await chat.connect('alice');
    let bob = await chat.connectJson('bob');
    for (let n = 1; n <= 5; n += 1) alice.send(`bob|${n}`);
    for (let n = 1; n <= 5; n += 1) await bob.until('message');
    bob.sendJson('ack', { seq: 2 });
    await confirmed(2);
    await bob.drop();
    await chat.untilOffline('bob');
    alice.send('bob|6');
    await chat.untilPending('bob', 4);
    bob = await chat.connectJson('bob');
    alice.send('bob|7');
    const contents: string[] = [];
    while (contents.length < 5) contents.push((await bob.until('message')).data.content);
    expect(contents).toEqual(['3', '4', '5', '6', '7']);
  });

  it('keeps the order of one sender across live, stored, reconnect and restart', async () => {
    chat = await ChatApp.start();
    let sent = 0;
    const received: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const alice = await chat.connect('alice');
      for (let n = 0; n < 20; n += 1) alice.send(`bob|${(sent += 1)}`);
      await chat.untilPending('bob', 20);
      const bob = await chat.connect('bob');
      for (let n = 0; n < 20; n += 1) alice.send(`bob|${(sent += 1)}`);
      received.push(...(await bob.take(40)).map((frame) => frame.replace(/^.*Z:/, '')));
      await chat.untilTotals({ pending: 0, inFlight: 0 }); // What is not confirmed comes again.
      chat = await chat.restart();
    }
    expect(received).toEqual(Array.from({ length: 160 }, (_, index) => String(index + 1)));
  });

  it('writes no more than the window to a recipient that does not confirm, and keeps the rest on the disk', async () => {
    chat = await ChatApp.start({ clock, ackWindow: 8, maxPendingPerSender: null });
    const alice = await chat.connect('alice');
    const bob = await chat.connectJson('bob');
    await bob.nextJson('caught-up');
    for (let n = 1; n <= 500; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 500); // Those in the window are stored too, as they are older [protocol 2.4].
    expect(chat.delivery.totals).toMatchObject({ inFlight: 0, pending: 500 });
    expect(chat.heldInMemory('bob')).toBeLessThan(8 * 3);
    const contents: string[] = [];
    while (contents.length < 500) {
      const { data } = await bob.nextJson('message');
      contents.push(data.content);
      if (data.seq! % 4 === 0) bob.sendJson('ack', { seq: data.seq });
    }
    expect(contents).toEqual(Array.from({ length: 500 }, (_, index) => String(index + 1)));
    await chat.untilPending('bob', 0);
    alice.send('bob|live again');
    expect((await bob.nextJson('message')).data).toMatchObject({ content: 'live again', stored: false });
  });

  it('resumes a backlog at the right position after a drop in the middle of it', async () => {
    chat = await ChatApp.start({ ackWindow: 16, maxPendingPerSender: null });
    const alice = await chat.connect('alice');
    for (let n = 1; n <= 300; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 300);
    const seen = new Set<number>();
    for (let confirmedUpTo = 0; confirmedUpTo < 300;) {
      const bob = await chat.connectJson('bob');
      const first = Number((await bob.nextJson('message')).data.content);
      expect(first).toBe(confirmedUpTo + 1);
      seen.add(first);
      for (let n = 0; n < 59 && first + n < 300; n += 1) {
        const { data } = await bob.nextJson('message');
        seen.add(Number(data.content));
        if (data.seq! % 8 === 0) bob.sendJson('ack', { seq: data.seq });
      }
      await bob.drop();
      await chat.untilOffline('bob');
      await chat.delivery.flush();
      const { body } = await chat.rest('GET', '/chat/pending/bob?limit=1');
      confirmedUpTo = body.total === 0 ? 300 : Number(body.items[0].content) - 1;
      if (first + 59 >= 300 && confirmedUpTo < 300) {
        const last = await chat.connect('bob');
        for (const frame of await last.take(300 - confirmedUpTo)) seen.add(Number(frame.replace(/^.*Z:/, '')));
        break;
      }
    }
    expect(seen.size).toBe(300);
    await chat.untilPending('bob', 0);
  });

  it('refuses what is over the cap of a mailbox or a sender, and says which', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: 5, maxPendingPerSender: 3 });
    const [alice, carol] = [await chat.connectJson('alice'), await chat.connectJson('carol')];
    for (let n = 1; n <= 4; n += 1) alice.sendJson('send', { to: 'bob', content: 'x', id: `a-${n}` });
    expect((await alice.until('exception')).data).toMatchObject({ code: 'SENDER_QUOTA', temporary: true, id: 'a-4' });
    for (let n = 1; n <= 3; n += 1) carol.sendJson('send', { to: 'bob', content: 'x', id: `c-${n}` });
    expect((await carol.until('exception')).data).toMatchObject({ code: 'MAILBOX_FULL', temporary: true, id: 'c-3' });
    await chat.untilPending('bob', 5);
    alice.sendJson('ping', {});
    await alice.until('pong'); // Behind the first receipts.
    // A repeat of a waiting message is not a new one.
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'a-1' });
    expect((await alice.nextJson('receipts')).data).toMatchObject([{ id: 'a-1', status: 'stored' }]);
    // There is room again when some were delivered.
    const bob = await chat.connect('bob');
    await bob.take(5);
    await chat.untilPending('bob', 0);
    await bob.close();
    await chat.untilOffline('bob');
    alice.sendJson('send', { to: 'bob', content: 'x', id: 'a-4' });
    await chat.untilPending('bob', 1);
  });

  it('counts bytes of content against the cap', async () => {
    chat = await ChatApp.start({ maxContentBytes: 100, maxPendingBytesPerUser: 250 });
    const alice = await chat.connect('alice');
    for (let n = 0; n < 3; n += 1) alice.send(`bob|${'é'.repeat(50)}`);
    expect(await alice.next()).toMatch(/^error: MAILBOX_FULL: /);
    await chat.untilPending('bob', 2);
  });

  it('drops the oldest under evict-oldest, and counts it', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: 3, overflow: 'evict-oldest' });
    const alice = await chat.connect('alice');
    for (let n = 1; n <= 10; n += 1) {
      alice.send(`bob|${n}`);
      await chat.untilPending('bob', Math.min(n, 3));
    }
    await chat.untilTotals({ evicted: 7, pending: 3 });
    const bob = await chat.connect('bob');
    expect((await bob.take(3)).map((frame) => frame.replace(/^.*Z:/, ''))).toEqual(['8', '9', '10']);
  });

  it('expires what nobody fetched within the retention, and counts it', async () => {
    chat = await ChatApp.start({ clock, retentionMs: 60_000, heartbeatMs: 600_000 });
    const alice = await chat.connect('alice');
    alice.send('bob|old');
    await chat.untilPending('bob', 1);
    await chat.pass(clock, 50_000);
    alice.send('bob|new');
    await chat.untilPending('bob', 2);
    await chat.pass(clock, 30_000);
    await chat.untilPending('bob', 1);
    await chat.untilTotals({ expired: 1, pending: 1 });
    const bob = await chat.connect('bob');
    expect(await bob.next()).toMatch(/Z:new$/);
  });

  it('evicts nothing under reject, even when what had to be kept is over the cap', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: 2 });
    const alice = await chat.connect('alice');
    const bob = await chat.connect('bob', { autoPong: false });
    for (let n = 1; n <= 5; n += 1) alice.send(`bob|${n}`);
    await bob.take(5);
    await bob.drop();
    await chat.untilTotals({ pending: 5, evicted: 0 });
  });

  alone('parts').it('holds senders up while the disk does not keep up, and spends no memory on them', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: null, maxPendingPerSender: null, maxPendingBytesPerUser: null });
    const disk = chat.blockDisk();
    const alice = await chat.connect('alice');
    const content = 'x'.repeat(60_000);
    const total = 1_000; // 60 MB, of which the queue takes 16.
    for (let n = 0; n < total; n += 1) alice.send(`bob|${content}`);
    await eventually(() => chat.connections.ofUser('alice')[0]!.reading.isHeld);
    await eventually(() => alice.socket.bufferedAmount > 0); // The rest stays with the sender.
    const held = chat.heldInMemory('bob');
    expect(held).toBeLessThan(450);
    await chat.rest('GET', '/chat/stats'); // The server has other work meanwhile.
    expect(chat.heldInMemory('bob')).toBe(held);
    disk.release();
    await chat.untilPending('bob', total);
  });

  it('does not hand over what was purged while it waited', async () => {
    chat = await ChatApp.start();
    const alice = await chat.connect('alice');
    for (let n = 1; n <= 3; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 3);
    expect((await chat.rest('DELETE', '/chat/pending/bob')).body).toEqual({ purged: 3 });
    const bob = await chat.connect('bob');
    await bob.expectNothingElse('bob');
    expect(chat.delivery.totals).toMatchObject({ purged: 3 });
  });

  async function confirmed(count: number): Promise<void> {
    await chat.untilTotals({ confirmed: count });
  }
});
