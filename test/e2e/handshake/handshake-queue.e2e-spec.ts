import { setImmediate as nextTurn } from 'node:timers/promises';
import { HandshakeService } from '../../../src/handshake/handshake.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually, withDeadline } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import { TestClient, type Refused } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

const STORM = 2_000;
/** A storm takes seconds on a busy machine. */
const STORM_MS = 60_000;
/** Addresses of the clients of one test, which differ as those of real clients do. */
const ADDRESSES = 20;
const addressOf = (index: number) => `127.0.0.${2 + (index % ADDRESSES)}`;

alone('limits').describe('the handshake queue', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  const queue = () => chat.app.get(HandshakeService).queue;
  const connectAll = (users: readonly string[]) =>
    Promise.all(users.map((user, index) => chat.connect(user, { localAddress: addressOf(index) })));
  const usersUpTo = (count: number) => Array.from({ length: count }, (_, index) => `user-${index}`);

  it(
    'lets everybody back in who was cut off in one moment and comes again in the next, and they get what waited',
    async () => {
      chat = await ChatApp.start();
      const users = usersUpTo(STORM);
      const before = await connectAll(users);
      expect(chat.connections.count).toBe(STORM);
      await Promise.all(before.map((client) => client.drop()));
      await eventually(() => chat.connections.count === 0);
      const receivers = users.filter((_, index) => index % 4 === 0);
      await Promise.all(
        receivers.map(
          (to) =>
            new Promise((onReceipt, onRefused) =>
              chat.delivery.send({ from: 'rest', to, content: `for ${to}` }, { onReceipt, onRefused }),
            ),
        ),
      );
      const after = await withDeadline(connectAll(users), () => `all; there are ${chat.connections.count}`, STORM_MS);
      for (const [index, client] of after.entries()) {
        if (index % 4 === 0) expect(await client.next()).toMatch(new RegExp(`Z:for ${users[index]}$`));
      }
      await chat.untilTotals({ accepted: receivers.length, confirmed: receivers.length, pending: 0, inFlight: 0 });
      expect(queue().length).toBe(0);
    },
    2 * STORM_MS,
  );

  it('lets in as many a second as it is told, and the others come in when they come again', async () => {
    const clock = new ManualClock();
    chat = await ChatApp.start({ clock, handshakesPerSecond: 50, heartbeatMs: 600_000 });
    const refused: { user: string; error: Refused }[] = [];
    const arrivals = usersUpTo(400).map((user) =>
      chat.connect(user).catch((error: unknown) => void refused.push({ user, error: error as Refused })),
    );
    // 50 are accepted at once, and 250 can be within 5 s. The others are refused at once.
    await eventually(() => chat.connections.count === 50 && queue().length === 250 && refused.length === 100);
    for (let second = 1; second <= 5; second += 1) {
      for (let token = 0; token < 50; token += 1) {
        clock.advance(20);
        await nextTurn();
      }
      await eventually(() => chat.connections.count === 50 * (second + 1));
    }
    await Promise.all(arrivals);
    expect(refused).toHaveLength(100);
    for (const { error } of refused) {
      expect(error).toMatchObject({ status: 503, body: { statusCode: 503, code: 'SERVER_BUSY' } });
      expect(error.headers['retry-after']).toMatch(/^[1-5]$/);
    }
    expect(new Set(refused.map(({ error }) => error.headers['retry-after'])).size).toBeGreaterThan(1);
    clock.advance(1_000);
    await Promise.all(refused.slice(0, 50).map(({ user }) => chat.connect(user)));
    clock.advance(1_000);
    await Promise.all(refused.slice(50).map(({ user }) => chat.connect(user)));
    expect(chat.connections.count).toBe(400);
    await chat.dropAll(); // The clock stands still: a drain in groups would never end.
  });

  it('tells whoever waits in the queue that the server is going away', async () => {
    chat = await ChatApp.start({ clock: new ManualClock(), handshakesPerSecond: 1 });
    await chat.connect('first');
    const waiting = [chat.connect('second'), chat.connect('third')].map((each) =>
      each.catch((error: unknown) => error),
    );
    await eventually(() => queue().length === 2);
    await chat.stop();
    for (const each of waiting) {
      expect(await each).toMatchObject({ status: 503, body: { code: 'GOING_AWAY' }, headers: { 'retry-after': '5' } });
    }
  });

  it('gives the turn of a client that left to the next', async () => {
    const clock = new ManualClock();
    chat = await ChatApp.start({ clock, handshakesPerSecond: 1 });
    await chat.connect('first');
    const leaver = await RawClient.connect(chat.port);
    await leaver.write(RawClient.handshake('/chat?user=leaver'));
    await eventually(() => queue().length === 1);
    const next = chat.connect('next');
    await eventually(() => queue().length === 2);
    leaver.reset();
    await eventually(() => queue().length === 1);
    clock.advance(1_000);
    await next;
    expect(chat.connections.ofUser('leaver')).toEqual([]);
  });
});

alone('limits').describe('a connection slot', () => {
  let chat: ChatApp;
  let asked: number;
  let answer: () => void;
  beforeEach(() => {
    asked = 0;
  });
  afterEach(() => chat.dispose());

  /** An application whose authenticator decides nothing until it is told to. */
  async function start(options: Parameters<typeof ChatApp.start>[0]): Promise<void> {
    const answered = new Promise<void>((resolve) => (answer = resolve));
    chat = await ChatApp.start({
      ...options,
      authenticate: async (request) => {
        asked += 1;
        await answered;
        return { user: new URL(request.url!, 'ws://localhost').searchParams.get('user')! };
      },
    });
  }

  it.each([
    ['connectionsPerUser', { sessions: 'multiple', connectionsPerUser: 3 }, 429, 'TOO_MANY_CONNECTIONS'],
    ['connectionsPerAddress', { sessions: 'multiple', connectionsPerAddress: 3 }, 429, 'TOO_MANY_CONNECTIONS'],
    ['maxConnections', { sessions: 'multiple', maxConnections: 3 }, 503, 'SERVER_FULL'],
  ] as const)('is held while it is asked who comes: no storm is over %s', async (_, options, status, code) => {
    await start(options);
    const arrivals = Array.from({ length: 20 }, () =>
      TestClient.open(chat.url('bob')).then((client) => chat.keep(client)),
    );
    await eventually(() => asked >= 3);
    answer();
    const results = await Promise.allSettled(arrivals);
    const refused = results.filter((each) => each.status === 'rejected');
    expect(refused).toHaveLength(17);
    for (const { reason } of refused) expect(reason).toMatchObject({ status, body: { code } });
  });

  it('is free again when its peer resets while it is asked who comes, when it is refused, and when it leaves', async () => {
    await start({ sessions: 'multiple', connectionsPerUser: 2, connectionsPerAddress: 2, maxConnections: 2 });
    for (let round = 1; round <= 20; round += 1) {
      const peers = [await RawClient.connect(chat.port), await RawClient.connect(chat.port)];
      for (const peer of peers) await peer.write(RawClient.handshake('/chat?user=bob'));
      await eventually(() => asked === 2 * round);
      for (const peer of peers) {
        peer.reset();
        await peer.closed;
      }
      await eventually(async () => (await slotsLeft()) === 2);
    }
    answer();
    // `ws` refuses a wrong key, after the slot was taken and the user is known.
    for (let n = 0; n < 5; n += 1) {
      const peer = await RawClient.connect(chat.port);
      await peer.write(RawClient.handshake('/chat?user=bob', { 'Sec-WebSocket-Key': 'x' }));
      await peer.until('BAD_HANDSHAKE');
      await withDeadline(peer.closed, () => 'the end of the connection');
      await eventually(async () => (await slotsLeft()) === 2);
    }
    const clients = [await chat.connect('bob'), await chat.connect('bob')];
    await expect(chat.connect('bob')).rejects.toMatchObject({ status: 503 });
    for (const client of clients) await client.close();
    await eventually(async () => (await slotsLeft()) === 2);
    for (let n = 0; n < 2; n += 1) await chat.connect('bob');
  });

  /** How many more connections may come. */
  async function slotsLeft(): Promise<number> {
    await nextTurn();
    return 2 - chat.app.get(HandshakeService).slots.count;
  }
});
