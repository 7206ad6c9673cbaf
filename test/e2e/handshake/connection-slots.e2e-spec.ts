import { jest } from '@jest/globals';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { catchLogLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import { Refused } from '../../support/test-client.js';

let chat: ChatApp;
let clock: ManualClock;
const peers: RawClient[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const peer of peers.splice(0)) peer.reset(); // They would not answer the close frame.
  await chat.dispose();
});

async function start(options: TestOptions): Promise<void> {
  clock = new ManualClock();
  chat = await ChatApp.start({ clock, heartbeatMs: 600_000, ...options });
}

async function refusal(user: string): Promise<Refused> {
  const outcome = await chat.connect(user).catch((error: unknown) => error);
  if (outcome instanceof Refused) return outcome;
  throw new Error(`it was not refused: ${String(outcome)}`);
}

describe('connections that take over from each other', () => {
  beforeEach(() => start({ sessions: 'replace' }));

  it('may do so five times in ten seconds, the newest always winning; the next one is 429 and the current one stays', async () => {
    const lines = catchLogLines();
    let current = await chat.connect('bob');
    for (let n = 0; n < 5; n += 1) {
      clock.advance(1_000);
      const newest = await chat.connect('bob');
      await current.expectClose(4409);
      current = newest;
    }
    for (let n = 0; n < 3; n += 1) {
      const { status, body, headers } = await refusal('bob');
      expect([status, body.code, headers['retry-after']]).toEqual([429, 'TOO_MANY_TAKE_OVERS', '6']);
    }
    await current.expectNothingElse('bob');
    await (await chat.connect('alice')).expectNothingElse('alice');
    expect(lines.filter((line) => line.startsWith('warn '))).toEqual([
      expect.stringMatching(
        /^warn Handshake: Clients with the same name replace each other again and again, most recently user "bob"/,
      ),
    ]);
    clock.advance(6_000);
    const newest = await chat.connect('bob');
    await current.expectClose(4409);
    await newest.expectNothingElse('bob');
  });

  it('are counted also when they all come at once', async () => {
    await chat.connect('bob');
    const outcomes = await Promise.allSettled(Array.from({ length: 28 }, () => chat.connect('bob')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect(chat.connections.ofUser('bob').filter(({ isOpen }) => isOpen)).toHaveLength(1);
  });

  it('are not counted when the one before had left', async () => {
    for (let n = 0; n < 20; n += 1) {
      const bob = await chat.connect('bob');
      await bob.close();
      await eventually(() => chat.connections.count === 0);
    }
    expect(chat.connections.closedWith(4409)).toBe(0);
  });
});

describe('a user who has as many connections as there may be', () => {
  beforeEach(() => start({ sessions: 'multiple', connectionsPerUser: 3 }));

  /** A peer whose network is gone: it answers nothing. */
  async function halfOpen(): Promise<RawClient> {
    const peer = await RawClient.open(chat.port, '/chat?user=bob');
    peers.push(peer);
    return peer;
  }

  /** Connections of bob that answered since the clock was last advanced. */
  const heard = () => chat.connections.ofUser('bob').filter(({ lastSeenAt }) => lastSeenAt === clock.now()).length;

  /**
   * Lets the second pass that the connections have to answer, once they were pinged and `answers` of them have
   * answered.
   */
  async function passTheSecond(answers: number): Promise<void> {
    await eventually(() => heard() === answers);
    clock.advance(1_000);
  }

  it('gets one more when one of them is silent for a second: the oldest such, which ends with 4408', async () => {
    const oldest = await chat.connect('bob');
    const silent = await halfOpen();
    await halfOpen();
    const ids = chat.connections.ofUser('bob').map(({ id }) => id);
    clock.advance(5_000); // They were seen when they came.
    const newcomer = chat.connect('bob');
    await passTheSecond(1);
    const fresh = await newcomer;
    expect(await silent.until('needs the slot')).toContain('needs the slot');
    expect(chat.connections.closedWith(4408)).toBe(1);
    expect(chat.connections.ofUser('bob').map(({ id }) => id)).toEqual([ids[0], ids[2], expect.any(String)]);
    expect([oldest, fresh].map(({ socket }) => socket.readyState)).toEqual([1, 1]);
  });

  it('gets none when all of them answer', async () => {
    const clients = [await chat.connect('bob'), await chat.connectJson('bob'), await chat.connect('bob')];
    clock.advance(5_000);
    const refused = refusal('bob');
    await passTheSecond(3);
    const { status, body, headers } = await refused;
    expect([status, body.code, headers['retry-after']]).toEqual([429, 'TOO_MANY_CONNECTIONS', '5']);
    expect(clients.map(({ socket }) => socket.readyState)).toEqual([1, 1, 1]);
    expect(chat.connections.closedWith(4408)).toBe(0);
  });

  it('is asked once for all who come meanwhile, and makes room for one', async () => {
    for (let n = 0; n < 3; n += 1) await halfOpen();
    clock.advance(5_000);
    const asked = jest.spyOn(chat.connections, 'makeRoom');
    const newcomers = Promise.allSettled(Array.from({ length: 4 }, () => chat.connect('bob')));
    await eventually(() => asked.mock.calls.length === 4);
    await passTheSecond(0);
    const outcomes = await newcomers;
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(chat.connections.closedWith(4408)).toBe(1);
  });

  it('gets none from a server that has begun to go away meanwhile', async () => {
    const silent = [await halfOpen(), await halfOpen(), await halfOpen()];
    clock.advance(5_000);
    const asked = jest.spyOn(chat.connections, 'makeRoom');
    const refused = refusal('bob');
    await eventually(() => asked.mock.calls.length === 1);
    const stopped = chat.stop();
    await silent[0]!.until('going away');
    clock.advance(1_000);
    expect(await refused).toMatchObject({ status: 503, body: { code: 'GOING_AWAY' } });
    for (const peer of silent) peer.reset();
    await stopped;
  });

  it('gets one more when one of them has left meanwhile', async () => {
    const clients = [await chat.connect('bob'), await chat.connect('bob'), await chat.connect('bob')];
    clock.advance(5_000);
    const newcomer = chat.connect('bob');
    await eventually(() => heard() === 3);
    await clients[1]!.close();
    await eventually(() => chat.connections.ofUser('bob').length === 2);
    clock.advance(1_000);
    await newcomer;
    expect(chat.connections.closedWith(4408)).toBe(0);
  });
});
