import { jest } from '@jest/globals';
import { HandshakeService } from '../../../src/handshake/handshake.service.js';
import { HandshakeRefusal } from '../../../src/index.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { ManualClock } from '../../support/manual-clock.js';
import { Refused, TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

const PAGE = 'https://app.example.com';

let chat: ChatApp;
afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
});

type Headers = Record<string, string>;

/** What plain GET says at the path of the socket. */
async function asked(query: string, headers: Headers = {}) {
  const response = await fetch(`http://127.0.0.1:${chat.port}/chat${query}`, { headers });
  return {
    status: response.status,
    body: (await response.json()) as unknown,
    retryAfter: response.headers.get('retry-after') ?? undefined,
    readableBy: response.headers.get('access-control-allow-origin'),
  };
}

/** How a handshake with the same query and headers is refused. */
async function refused(query: string, headers: Headers = {}) {
  try {
    chat.keep(await TestClient.open(`ws://127.0.0.1:${chat.port}/chat${query}`, [], { headers }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: error.status, body: error.body, retryAfter: error.headers['retry-after'] };
  }
  throw new Error('it was not refused');
}

/** Alice is known by her token, Bob is not; others have what they ask for. */
function authenticate({ headers: { authorization } }: { headers: { authorization?: string } }) {
  if (authorization === 'Bearer of-alice') return { user: 'alice' };
  if (authorization === 'Bearer outage') throw new Error('the issuer is away');
  if (authorization === 'Bearer banned') throw new HandshakeRefusal(403, 'BANNED', 'you are banned');
  return null;
}

describe('plain GET at the path of the socket', () => {
  it.each<[string, TestOptions, string, Headers, string]>([
    ['no user', {}, '', {}, 'NO_USER'],
    ['a bad name', {}, '?user=a%7Cb', {}, 'BAD_USER'],
    ['no credentials', { authenticate }, '', {}, 'UNAUTHORIZED'],
    ['bad credentials', { authenticate }, '', { Authorization: 'Bearer of-bob' }, 'UNAUTHORIZED'],
    ['a ticket that nobody gave', { authenticate }, '?ticket=x', {}, 'UNAUTHORIZED'],
    ['another user', { authenticate }, '?user=bob', { Authorization: 'Bearer of-alice' }, 'FORBIDDEN'],
    ['a refusal of the application', { authenticate }, '', { Authorization: 'Bearer banned' }, 'BANNED'],
    ['an outage', { authenticate }, '', { Authorization: 'Bearer outage' }, 'AUTHENTICATION_UNAVAILABLE'],
    ['another origin', { authenticate }, '', { Origin: PAGE, Authorization: 'Bearer of-alice' }, 'ORIGIN_NOT_ALLOWED'],
    ['no subprotocol', {}, '?user=alice', { 'Sec-WebSocket-Protocol': 'mqtt' }, 'UNKNOWN_SUBPROTOCOL'],
  ])('says what a handshake would be refused with: %s', async (_title, options, query, headers, code) => {
    chat = await ChatApp.start(options);
    const reason = await refused(query, headers);
    expect(reason.body.code).toBe(code);
    expect(await asked(query, headers)).toMatchObject(reason);
  });

  alone('limits').it.each<[string, TestOptions]>([
    ['TOO_MANY_CONNECTIONS', { connectionsPerAddress: 1 }],
    ['TOO_MANY_CONNECTIONS', { sessions: 'multiple', connectionsPerUser: 1 }],
    ['SERVER_FULL', { maxConnections: 1 }],
  ])('says that there is no room: %s, %j', async (code, options) => {
    chat = await ChatApp.start(options);
    await chat.connect('alice');
    const reason = await refused('?user=alice');
    expect(reason).toMatchObject({ body: { code }, retryAfter: '5' });
    expect(await asked('?user=alice')).toMatchObject(reason);
  });

  it('says 426 where a handshake would be accepted', async () => {
    chat = await ChatApp.start({ authenticate });
    expect(await asked('', { Authorization: 'Bearer of-alice' })).toMatchObject({
      status: 426,
      body: { statusCode: 426, code: 'UPGRADE_REQUIRED', message: expect.stringContaining('WebSocket') },
    });
  });

  it('takes no slot, uses no ticket, and counts no take-over', async () => {
    chat = await ChatApp.start({ clock: new ManualClock() });
    const { slots } = chat.app.get(HandshakeService);
    const { body } = await chat.rest('POST', '/chat/tickets', { user: 'bob' });
    for (let n = 0; n < 10; n += 1) expect((await asked(`?ticket=${body.ticket}`)).status).toBe(426);
    expect(slots.count).toBe(0);
    chat.keep(await TestClient.open(`ws://127.0.0.1:${chat.port}/chat?ticket=${body.ticket}`));
    expect((await asked(`?ticket=${body.ticket}`)).status).toBe(401);
    for (let n = 0; n < 10; n += 1) expect((await asked('?user=bob')).status).toBe(426);
    for (let n = 0; n < 5; n += 1) await chat.connect('bob');
    const reason = await refused('?user=bob');
    expect(reason).toMatchObject({ status: 429, body: { code: 'TOO_MANY_TAKE_OVERS' }, retryAfter: '10' });
    for (let n = 0; n < 3; n += 1) expect(await asked('?user=bob')).toMatchObject(reason);
  });

  alone('limits').it('waits in the queue of handshakes, and is told when that is too long', async () => {
    chat = await ChatApp.start();
    const enter = jest.spyOn(chat.app.get(HandshakeService).queue, 'enter');
    expect((await asked('?user=bob')).status).toBe(426);
    expect(enter).toHaveBeenCalledTimes(1);
    enter.mockResolvedValueOnce(false);
    expect(await asked('?user=bob')).toMatchObject({
      status: 503,
      body: { code: 'SERVER_BUSY' },
      retryAfter: expect.stringMatching(/^[1-5]$/),
    });
  });

  it('is not counted as a refused handshake, and is not asked of other methods', async () => {
    chat = await ChatApp.start({ authenticate });
    expect((await asked('')).status).toBe(401);
    expect(Object.fromEntries(chat.app.get(HandshakeService).refusals())).toMatchObject({ UNAUTHORIZED: 0 });
    for (const method of ['POST', 'PUT', 'DELETE']) expect((await chat.rest(method, '/chat')).status).toBe(426);
  });

  it('tells a page that may not connect nothing but that, and asks no authenticator for it', async () => {
    const ask = jest.fn(authenticate);
    chat = await ChatApp.start({ authenticate: ask, allowedOrigins: [PAGE] });
    const evil = 'https://evil.example';
    const answers = [
      await asked('', { Origin: evil }),
      await asked('?user=alice', { Origin: evil, Authorization: 'Bearer of-alice' }),
    ];
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 403, body: { code: 'ORIGIN_NOT_ALLOWED' }, readableBy: evil });
    expect(answers[0]).toEqual(answers[1]);
    expect(ask).not.toHaveBeenCalled();
    expect(await asked('', { Origin: PAGE })).toMatchObject({ status: 401, readableBy: PAGE });
  });
});
