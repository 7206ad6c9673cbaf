import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Connection } from '../../../src/connections/connection.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually, withDeadline } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import type { TestClient } from '../../support/test-client.js';

/** The default rates of a server. */
const DEFAULT_RATES = { framesPerSecond: 20, frameBurst: 60, broadcastsPerSecond: 1 };
const HEARTBEAT_MS = 25_000;
/** Longer than the clock of a test goes ahead of the network, so that nobody is asked for a pong. */
const LONG_MS = 600_000;
const PING = 9;
const PONG = 10;
const CLOSE = 8;

let chat: ChatApp;
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});
afterEach(() => chat.dispose());

const connectionOf = (user: string): Connection => chat.connections.ofUser(user)[0]!;

/** Lets the sockets be read. What comes by loopback is there after a few turns of the event loop. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
}

/** Advances the clock in small steps, and lets the sockets be read in between, until `until` holds. */
async function pass(until: () => boolean, what: () => string, stepMs = 50): Promise<void> {
  await eventually(
    async () => {
      if (until()) return true;
      for (let step = 0; step < 20 && !until(); step += 1) {
        clock.advance(stepMs);
        await turns(3);
      }
      return until();
    },
    what,
    60_000,
  );
}

/** The time before a delayed message of the text protocol. */
const DELAYED = /^\d{4}-\S{18}Z:/;

/** Everything that this client got so far, in order. */
function collect(client: TestClient): string[] {
  const got: string[] = [];
  client.listen((text) => {
    if (!text.startsWith('{')) return void got.push(text.replace(DELAYED, ''));
    const { event, data: message } = JSON.parse(text) as { event: string; data: { content: string; seq: number } };
    if (event !== 'message') return;
    got.push(message.content);
    client.sendJson('ack', { seq: message.seq });
  });
  return got;
}

const numbers = (count: number, prefix = 'line') => Array.from({ length: count }, (_, n) => `${prefix} ${n + 1}`);

describe('messages over the rate', () => {
  const connect = (protocol: string, user: string) =>
    protocol === 'text' ? chat.connect(user) : chat.connectJson(user);
  const send = (client: TestClient, to: string, content: string) =>
    client.socket.protocol === 'chat.v1.json'
      ? client.sendJson('send', { to, content })
      : client.send(`${to}|${content}`);

  it.each([
    ['text', 20],
    ['text', 200],
    ['json', 20],
    ['json', 200],
  ])(
    'arrive whole and in order when a %s client sends 1,000 of %d characters in one go and goes on receiving',
    async (protocol, length) => {
      chat = await ChatApp.start({ clock, ...DEFAULT_RATES, heartbeatMs: LONG_MS });
      const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((user) => connect(protocol, user)));
      const [atAlice, atBob] = [collect(alice!), collect(bob!)];
      const lines = numbers(1_000).map((line) => line.padEnd(length, '.'));
      for (const line of lines) send(alice!, 'bob', line);
      const live = numbers(180, 'live');
      const begun = clock.now();
      let sent = 0;
      await pass(
        () => {
          const due = Math.min(live.length, Math.floor((clock.now() - begun) / 250));
          while (sent < due) send(carol!, 'alice', live[sent++]!);
          return atBob.length === lines.length && atAlice.length === live.length;
        },
        () => `all at bob and alice; there are ${atBob.length} and ${atAlice.length}`,
      );
      expect(atBob).toEqual(lines);
      expect(atAlice).toEqual(live);
      expect(alice!.unread.filter((frame) => /RATE_LIMITED|exception/.test(frame))).toEqual([]);
    },
  );

  it.each(['text', 'json'])('are taken without delay when a %s client has sent all and closes', async (protocol) => {
    // All of it is handed over at once, and waits for as long as bob takes to confirm it.
    chat = await ChatApp.start({ clock, ...DEFAULT_RATES, heartbeatMs: LONG_MS, maxPendingPerSender: null });
    const [alice, bob] = [await connect(protocol, 'alice'), await connect(protocol, 'bob')];
    const atBob = collect(bob);
    const lines = numbers(1_000);
    for (const line of lines) send(alice, 'bob', line);
    alice.socket.close();
    await pass(
      () => atBob.length === 1_000,
      () => `1,000 at bob; there are ${atBob.length}`,
    );
    expect(atBob).toEqual(lines);
  });

  it('are not refused, and come in order with what is sent behind them', async () => {
    chat = await ChatApp.start({ clock, ...DEFAULT_RATES });
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    const atBob = collect(bob);
    const sent = numbers(104, 'n');
    for (const content of sent.slice(0, 100)) alice.sendJson('send', { to: 'bob', content, id: content.slice(2) });
    await eventually(() => connectionOf('alice').received === 100);
    clock.advance(300);
    for (const content of sent.slice(100)) alice.sendJson('send', { to: 'bob', content, id: content.slice(2) });
    await eventually(() => connectionOf('alice').received === 104);
    expect(chat.delivery.totals.accepted).toBe(66);
    await pass(
      () => atBob.length === 104,
      () => `all at bob; there are ${atBob.length}`,
    );
    expect(atBob).toEqual(sent);
    await chat.untilTotals({ confirmed: 104 });
    const receipts: string[] = [];
    while (receipts.length < 104) receipts.push(...(await alice.until('receipts')).data.map(({ id }) => id));
    expect(receipts).toEqual(sent.map((content) => content.slice(2)));
  });

  it('are taken as the rate allows, and need no timer when nothing waits', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 10, frameBurst: 5 });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const idle = clock.pendingAlarms;
    for (let n = 1; n <= 8; n += 1) alice.send(`bob|${n}`);
    expect(await bob.take(5)).toEqual(['1', '2', '3', '4', '5']);
    await eventually(() => connectionOf('alice').received === 8);
    clock.advance(99);
    expect(chat.delivery.totals.accepted).toBe(5);
    clock.advance(1);
    expect(await bob.next()).toBe('6');
    clock.advance(200);
    expect(await bob.take(2)).toEqual(['7', '8']);
    await chat.untilTotals({ confirmed: 8 });
    clock.advance(1_000); // The timer of the persist ticks.
    await eventually(() => clock.pendingAlarms === idle); // The timer of the check of the store.
    expect(clock.pendingAlarms).toBe(idle);
  });

  it('hold up nothing but what is sent: acks, pings and pongs behind them are handled as they come', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 4 });
    const [alice, bob, text] = [
      await chat.connectJson('alice'),
      await chat.connectJson('bob'),
      await chat.connect('t'),
    ];
    for (let n = 1; n <= 6; n += 1) alice.sendJson('send', { to: 'carol', content: String(n) });
    for (let n = 1; n <= 6; n += 1) text.send(`carol|${n}`);
    await eventually(() => connectionOf('alice').received === 6 && connectionOf('t').received === 6);
    bob.sendJson('send', { to: 'alice', content: 'for an ack', id: 'm-1' });
    bob.sendJson('send', { to: 't', content: 'for a pong', id: 'm-2' });
    alice.sendJson('ack', { seq: (await alice.until('message')).data.seq });
    const delivered = new Set<string>();
    while (delivered.size < 2) {
      for (const { id, status } of (await bob.until('receipts')).data) if (status === 'delivered') delivered.add(id);
    }
    const pong = new Promise<Buffer>((resolve) => alice.socket.once('pong', resolve));
    alice.socket.ping('are you there?');
    expect((await withDeadline(pong, () => 'a pong')).toString()).toBe('are you there?');
    await chat.untilTotals({ pending: 8, inFlight: 0 });
  });

  it('do not hold up the pong for a ping frame, which is a sign of life', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 1 });
    const alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    clock.advance(5_000);
    for (const id of ['1', '2', '3']) alice.sendJson('send', { to: 'bob', content: 'x', id });
    alice.sendJson('ping', {});
    expect((await alice.until('pong')).data).toEqual({});
    expect(connectionOf('alice').lastSeenAt).toBe(clock.now());
    await chat.untilTotals({ pending: 1 });
    expect(connectionOf('alice').isOpen).toBe(true);
  });

  it('keep broadcasts behind them, and are kept behind those', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 2 });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    for (const frame of ['bob|1', 'bob|2', 'bob|3', 'to all', 'bob|4']) alice.send(frame);
    expect(await bob.take(2)).toEqual(['1', '2']);
    await eventually(() => connectionOf('alice').received === 5);
    clock.advance(3_000);
    expect(await bob.take(3)).toEqual(['3', 'to all', '4']);
  });

  it('stop the reading when 1,024 of them wait, or 64 KiB, and not before', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 4 });
    for (const [user, waiting] of [
      ['many', numbers(1_024)],
      ['large', ['x'.repeat(40_000), 'y'.repeat(30_000)]],
    ] as const) {
      const client = await chat.connect(user);
      for (let n = 0; n < 4; n += 1) client.send('bob|at once');
      for (const content of waiting.slice(0, -1)) client.send(`bob|${content}`);
      await eventually(() => connectionOf(user).received === 3 + waiting.length);
      expect(chat.socketOf(user).isPaused()).toBe(false);
      client.send(`bob|${waiting.at(-1)}`);
      await eventually(() => connectionOf(user).received === 4 + waiting.length);
      expect(chat.socketOf(user).isPaused()).toBe(true);
      client.send('bob|unread');
      clock.advance(1_000);
      await eventually(() => connectionOf(user).received === 5 + waiting.length);
    }
  });

  it('are bounded in memory: what no read has brought yet stays with the sender', async () => {
    chat = await ChatApp.start({ clock, ...DEFAULT_RATES, maxPendingPerSender: null, maxPendingBytesPerUser: null });
    const alice = await chat.connect('alice');
    const lines = numbers(1_000).map((line) => line.padEnd(60_000, '.'));
    for (const line of lines) alice.send(`bob|${line}`);
    await eventually(() => alice.socket.bufferedAmount > 0 && connectionOf('alice').received > 60);
    await chat.rest('GET', '/chat/stats'); // The server has other work meanwhile.
    expect(connectionOf('alice').received).toBeLessThan(70);
    await alice.drop();
    // While it is held, it is not read. The ping of the next heartbeat finds that nobody is there.
    await pass(
      () => chat.connections.count === 0,
      () => 'alice is offline',
    );
  });
});

describe('what waits for its turn when its connection ends', () => {
  /** Alice has sent ten, of which three were taken. */
  async function sendTen(): Promise<TestClient> {
    const alice = await chat.connectJson('alice');
    for (let n = 1; n <= 10; n += 1) alice.sendJson('send', { to: 'bob', content: String(n), id: `m-${n}` });
    await eventually(() => connectionOf('alice').received === 10);
    return alice;
  }

  async function expectAtBob(count: number): Promise<void> {
    await chat.untilPending('bob', count);
    const bob = await chat.connect('bob');
    const contents = (await bob.take(count)).map((frame) => frame.split('Z:')[1]);
    expect(contents).toEqual(Array.from({ length: count }, (_, n) => String(n + 1)));
    await bob.expectNothingElse('bob');
  }

  beforeEach(async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 3, heartbeatMs: LONG_MS });
  });

  it('is taken when the client closes', async () => {
    const alice = await sendTen();
    await alice.close();
    await expectAtBob(10);
  });

  it('is taken when the client is cut off', async () => {
    const alice = await sendTen();
    await alice.drop();
    await expectAtBob(10);
  });

  it('is taken when what the client sends then is not a frame', async () => {
    await sendTen();
    const peer = await RawClient.open(chat.port, '/chat?user=raw');
    const sends = Array.from({ length: 5 }, (_, n) => RawClient.frame(Buffer.from(`carol|${n}`)));
    await peer.write(Buffer.concat([...sends, RawClient.frame(Buffer.from('x'), 3)]));
    await chat.untilPending('carol', 5);
    peer.reset();
  });

  it('is taken before anything of the connection that takes over', async () => {
    const old = await sendTen();
    const alice = await chat.connectJson('alice');
    alice.sendJson('send', { to: 'bob', content: '11' });
    await old.expectClose(4409);
    await expectAtBob(11);
  });

  it('has its receipt before the 1001 when the server goes away', async () => {
    const alice = await sendTen();
    const stopped = chat.app.close();
    const ids: string[] = [];
    while (ids.length < 10) ids.push(...(await alice.until('receipts')).data.map(({ id }) => id));
    expect(ids).toEqual(Array.from({ length: 10 }, (_, n) => `m-${n + 1}`));
    await alice.expectClose(1001);
    await stopped;
  });

  it('is dropped, and has no receipt, when the connection may not send any more', async () => {
    const alice = await sendTen();
    expect((await chat.rest('DELETE', '/chat/users/alice/connections')).body).toEqual({ closed: 1 });
    await alice.expectClose(4403);
    await chat.untilOffline('alice');
    clock.advance(60_000);
    await expectAtBob(3);
  });
});

describe('the heartbeat of a client that sends more than it may', () => {
  /** Lets `count` heartbeats pass, each with the time that a client needs to answer. */
  async function beats(count: number): Promise<void> {
    for (let beat = 0; beat < count; beat += 1) {
      clock.advance(HEARTBEAT_MS);
      await turns(50);
    }
  }

  const options = {
    framesPerSecond: 1,
    frameBurst: 2,
    heartbeatMs: HEARTBEAT_MS,
    maxPendingPerSender: null,
    maxPendingPerUser: null,
  };

  it('ends with 1013 when it is full for two and answers nothing; what was read of it is taken', async () => {
    chat = await ChatApp.start({ clock, ...options });
    const peer = await RawClient.open(chat.port, '/chat?user=alice');
    await peer.write(Buffer.concat(numbers(1_500).map((line) => RawClient.frame(Buffer.from(`bob|${line}`)))));
    await eventually(() => connectionOf('alice').received === 1_500);
    await beats(2);
    expect(chat.connections.count).toBe(1);
    await beats(1);
    let frame = await peer.nextFrame();
    while (frame && frame.opcode !== CLOSE) frame = await peer.nextFrame();
    expect(frame!.payload.readUInt16BE(0)).toBe(1013);
    await chat.untilPending('bob', 1_500);
    clock.advance(1_000);
    await chat.untilOffline('alice');
  });

  it('goes on for as long as it answers pings, though its answers are behind what is not read yet', async () => {
    chat = await ChatApp.start({ clock, ...options });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const atBob = collect(bob);
    for (const line of numbers(1_500)) alice.send(`bob|${line}`);
    await eventually(() => chat.socketOf('alice').isPaused());
    for (let beat = 0; beat < 12; beat += 1) {
      alice.send(`bob|line ${1_501 + beat}`);
      await beats(1);
    }
    await pass(
      () => atBob.length === 1_512,
      () => `1,512 at bob; there are ${atBob.length}`,
      1_000,
    );
    expect(atBob).toEqual(numbers(1_512));
    expect(alice.socket.readyState).toBe(alice.socket.OPEN);
  });

  it('ends with 4408 when all that it sent was read, and it answers nothing', async () => {
    chat = await ChatApp.start({ clock, ...options });
    const peer = await RawClient.open(chat.port, '/chat?user=alice');
    await peer.write(Buffer.concat(numbers(1_060).map((line) => RawClient.frame(Buffer.from(`bob|${line}`)))));
    await eventually(() => connectionOf('alice').received === 1_060);
    await beats(2); // At the first heartbeat it is full, and is pinged. At the second it is not full any more.
    expect(chat.connections.count).toBe(1);
    await beats(1);
    await eventually(() => chat.connections.count === 0);
    let frame = await peer.nextFrame();
    while (frame && frame.opcode !== CLOSE) frame = await peer.nextFrame();
    expect(frame!.payload.readUInt16BE(0)).toBe(4408);
  });
});

describe('frames that bring nothing to send', () => {
  const frames = (count: number, of: () => Buffer) => Buffer.concat(Array.from({ length: count }, of));
  const ack = () => RawClient.frame(Buffer.from('{"event":"ack","data":{"seq":0}}'));

  it.each([
    ['pings', 'chat', () => RawClient.frame(Buffer.from('x'), PING)],
    ['pongs that nobody asked for', 'chat', () => RawClient.frame(Buffer.from('x'), PONG)],
    ['messages to nobody', 'chat', () => RawClient.frame(Buffer.from('b\u200bob|x'))],
    ['frames that are no JSON', 'chat.v1.json', () => RawClient.frame(Buffer.from('?'))],
    ['acks of nothing', 'chat.v1.json', ack],
    ['ping frames', 'chat.v1.json', () => RawClient.frame(Buffer.from('{"event":"ping","data":{}}'))],
  ])(
    'end a connection with 4429 when they are %s and come too fast, and then cost nothing',
    async (_, protocol, one) => {
      chat = await ChatApp.start({ clock, framesPerSecond: 2, frameBurst: 3 });
      const bob = await chat.connect('bob');
      const peer = await RawClient.open(chat.port, '/chat?user=alice', { 'Sec-WebSocket-Protocol': protocol });
      await chat.untilOnline('alice');
      const socket = chat.socketOf('alice');
      await peer.write(frames(15, one));
      await peer.write(RawClient.frame(Buffer.from(protocol === 'chat' ? 'bob|all of them' : sendOf('all of them'))));
      expect(await bob.next()).toBe('all of them');
      clock.advance(1_000);
      await peer.write(frames(10, one));
      await peer.write(
        RawClient.frame(Buffer.from(protocol === 'chat' ? 'bob|as they refill' : sendOf('as they refill'))),
      );
      expect(await bob.next()).toBe('as they refill');
      await peer.write(
        Buffer.concat([one(), RawClient.frame(Buffer.from(protocol === 'chat' ? 'bob|x' : sendOf('x')))]),
      );
      let frame = await peer.nextFrame();
      while (frame!.opcode !== CLOSE) frame = await peer.nextFrame();
      expect(frame!.payload.readUInt16BE(0)).toBe(4429);
      const before = socket.bytesRead;
      peer.socket.write(Buffer.alloc(8 * 1024 * 1024, frames(100, one)));
      await eventually(() => socket.isPaused());
      await chat.rest('GET', '/chat/stats'); // The server has other work meanwhile.
      expect(socket.bytesRead - before).toBeLessThan(512 * 1024);
      clock.advance(1_000);
      await chat.untilOffline('alice');
      await withDeadline(peer.closed, () => 'the end of the connection');
      await bob.expectNothingElse('bob');
    },
  );

  it('are not missed by a client that answers its close frame: it is gone at once', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 1 });
    const alice = await chat.connect('alice');
    for (let n = 0; n < 6; n += 1) alice.socket.ping();
    expect((await alice.expectClose(4429)).reason).toMatch(/too many pings/);
    await chat.untilOffline('alice');
  });

  it('are not counted when framesPerSecond is null, nor when they answer a ping of the server', async () => {
    chat = await ChatApp.start({ clock, framesPerSecond: 1, frameBurst: 1, heartbeatMs: 1_000 });
    const [alice, json] = [await chat.connect('alice'), await chat.connectJson('json')];
    for (let beat = 0; beat < 40; beat += 1) {
      const asked = [alice, json].map(({ socket }) => new Promise((resolve) => socket.once('ping', resolve)));
      clock.advance(1_000);
      await withDeadline(Promise.all(asked), () => 'a ping');
      await eventually(() => ['alice', 'json'].every((user) => connectionOf(user).lastSeenAt === clock.now()));
    }
    expect(chat.connections.count).toBe(2);
    await chat.dispose();
    chat = await ChatApp.start({ clock });
    const bob = await chat.connect('bob');
    for (let n = 0; n < 2_000; n += 1) bob.socket.ping();
    await bob.expectNothingElse('bob');
  });

  function sendOf(content: string): string {
    return JSON.stringify({ event: 'send', data: { to: 'bob', content } });
  }
});
