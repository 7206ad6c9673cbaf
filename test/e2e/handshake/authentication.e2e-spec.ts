import { jest } from '@jest/globals';
import { exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import type { IncomingMessage } from 'node:http';
import type { Principal } from '../../../src/authentication/authenticator.js';
import { jwt } from '../../../src/authentication/jwt.authenticator.js';
import { Tickets } from '../../../src/authentication/tickets.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { withDeadline } from '../../support/deadline.js';
import { Issuer } from '../../support/issuer.js';
import { catchLogLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import { Refused, TestClient } from '../../support/test-client.js';

const ADMIN_TOKEN = 'administrator-0123456789';
const HEARTBEAT_MS = 600_000; // No heartbeat is due within the time that a test lets pass.

let issuer: Issuer;
let chat: ChatApp;

beforeAll(async () => {
  issuer = await Issuer.start();
});
afterAll(() => issuer.stop());
afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
});

async function start(options: TestOptions = {}): Promise<void> {
  chat = await ChatApp.start({ authenticate: jwt(issuer.jwt), adminToken: ADMIN_TOKEN, ...options });
}

/** A clock that stands still at the time of the tokens. */
function clockOfToday(): ManualClock {
  const clock = new ManualClock();
  clock.advance(Date.now() - clock.now());
  return clock;
}

async function open(query: string, protocols: string[] = [], headers: Record<string, string> = {}) {
  const url = `ws://127.0.0.1:${chat.port}/chat${query}`;
  return chat.keep(await TestClient.open(url, protocols, { headers }));
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function connect(user: string, claims = {}): Promise<TestClient> {
  return open('', [], bearer(await issuer.token(user, claims)));
}

async function refusal(...[query, protocols, headers]: Parameters<typeof open>): Promise<Refused> {
  const outcome = await open(query, protocols, headers).catch((error: unknown) => error);
  if (outcome instanceof Refused) return outcome;
  throw new Error(`it was not refused: ${String(outcome)}`);
}

const UNAUTHORIZED = {
  status: 401,
  body: {
    statusCode: 401,
    code: 'UNAUTHORIZED',
    message: 'valid credentials are needed; get new ones and try again',
  },
};

/** The refusal of everybody without good credentials, without another word. */
async function expectUnauthorized(...how: Parameters<typeof open>): Promise<void> {
  const { status, body, headers } = await refusal(...how);
  expect({ status, body }).toEqual(UNAUTHORIZED);
  expect(headers).toMatchObject({ 'www-authenticate': 'Bearer', connection: 'close' });
  expect(chat.connections.count).toBe(0);
}

const seconds = () => Math.floor(Date.now() / 1000);

describe('a token', () => {
  it('is taken from the Authorization header', async () => {
    await start();
    const alice = await open('', ['chat.v1.json'], bearer(await issuer.token('alice')));
    expect((await alice.nextJson('welcome')).data).toMatchObject({ user: 'alice' });
  });

  it('is taken from the subprotocols, and the real one is chosen', async () => {
    await start();
    const token = `bearer.${await issuer.token('alice')}`;
    for (const protocols of [
      ['chat.v1.json', token],
      [token, 'chat.v1.json'],
    ]) {
      const alice = await open('', protocols);
      expect(alice.socket.protocol).toBe('chat.v1.json');
      expect((await alice.nextJson('welcome')).data).toMatchObject({ user: 'alice' });
    }
    const { status, body } = await refusal('', [token]);
    expect([status, body.code]).toEqual([400, 'UNKNOWN_SUBPROTOCOL']);
    expect(body.message).not.toContain('bearer');
  });

  it('is checked by a secret, or by a public key, as well', async () => {
    const secret = 's'.repeat(32);
    const { issuer: iss, audience } = issuer.jwt;
    await start({ authenticate: jwt({ secret, issuer: iss, audience }) });
    const claims = new SignJWT(Issuer.claims('alice')).setProtectedHeader({ alg: 'HS256' });
    await (await open('', [], bearer(await claims.sign(Buffer.from(secret))))).expectNothingElse('alice');
    await chat.dispose();
    await start({ authenticate: jwt({ publicKey: issuer.publicKey, issuer: iss, audience }) });
    await (await connect('alice')).expectNothingElse('alice');
    await chat.dispose();
    const curve = await generateKeyPair('ES256');
    await start({ authenticate: jwt({ publicKey: await exportSPKI(curve.publicKey), issuer: iss, audience }) });
    const token = await issuer.token('alice', {}, { alg: 'ES256' }, curve);
    await (await open('', [], bearer(token))).expectNothingElse('alice');
  });

  it('may differ in time by as much as clocks do, and need not end', async () => {
    await start();
    await (await connect('alice', { nbf: seconds() + 50 })).expectNothingElse('alice');
    await (await connect('bob', { exp: null })).expectNothingElse('bob');
  });

  const refusedTokens: [string, () => string | Promise<string>][] = [
    ['garbage', () => 'garbage'],
    ['garbage in three parts', () => 'a.b.c'],
    ['one that has expired', () => issuer.token('alice', { exp: seconds() - 61 })],
    ['one that expired within the tolerance of the clocks', () => issuer.token('alice', { exp: seconds() - 30 })],
    ['one of the future', () => issuer.token('alice', { nbf: seconds() + 120 })],
    ['one for somebody else', () => issuer.token('alice', { aud: 'mail' })],
    ['one for nobody', () => issuer.token('alice', { aud: null })],
    ['one of another issuer', () => issuer.token('alice', { iss: 'https://evil.example' })],
    ['one of no issuer', () => issuer.token('alice', { iss: null })],
    ['one without a signature', () => new UnsecuredJWT(Issuer.claims('alice')).encode()],
    [
      'one with another signature',
      async () =>
        `${(await issuer.token('alice')).split('.').slice(0, 2).join('.')}.${(await issuer.token('bob')).split('.')[2]}`,
    ],
    [
      'one whose secret is the public key',
      () =>
        new SignJWT(Issuer.claims('alice'))
          .setProtectedHeader({ alg: 'HS256', kid: 'good' })
          .sign(Buffer.from(issuer.publicKey)),
    ],
    ['one of an unknown key', () => issuer.token('alice', {}, { kid: 'other' })],
    ['one of a key with a path', () => issuer.token('alice', {}, { kid: '../../x' })],
    ['one of another key', async () => issuer.token('alice', {}, {}, await generateKeyPair('RS256'))],
    [
      'one that brings its keys',
      async () =>
        issuer.token(
          'alice',
          {},
          { kid: 'evil', jku: `${issuer.url}/trap`, x5u: `${issuer.url}/trap` },
          await generateKeyPair('RS256'),
        ),
    ],
    ['one with a critical extension', () => issuer.token('alice', {}, { crit: ['x'], x: 1 }).catch(() => 'x.y.z')],
    ['one that is long', () => issuer.token('alice', { more: 'x'.repeat(8_192) })],
  ];

  it.each(refusedTokens)('is refused before the upgrade, in the same words: %s', async (_, make) => {
    await start();
    const token = await make();
    await expectUnauthorized('', [], bearer(token));
    await expectUnauthorized('', ['chat.v1.json', `bearer.${token}`]);
    expect((await chat.rest('GET', '/chat/users/alice', undefined, token)).body.code).toMatch(/UNAUTHORIZED|FORBIDDEN/);
    expect(issuer.trapped).toEqual([]);
  });

  it('whose secret is the public key is refused also where that key is given as PEM', async () => {
    await start({ authenticate: jwt({ ...issuer.jwt, jwksUrl: undefined, publicKey: issuer.publicKey }) });
    for (const secret of [issuer.publicKey, issuer.publicKey.trim()]) {
      const forged = new SignJWT(Issuer.claims('alice')).setProtectedHeader({ alg: 'HS256' });
      await expectUnauthorized('', [], bearer(await forged.sign(Buffer.from(secret))));
    }
  });

  it('that is missing, doubled or of another kind is refused in the same words', async () => {
    await start();
    const [token, other] = [await issuer.token('alice'), await issuer.token('bob')];
    await expectUnauthorized('');
    await expectUnauthorized('?user=alice');
    await expectUnauthorized(`?token=${token}`);
    await expectUnauthorized('', [], { Authorization: `Basic ${token}` });
    await expectUnauthorized('', [], { Authorization: token });
    await expectUnauthorized('', [], bearer(ADMIN_TOKEN));
    await expectUnauthorized('', ['chat', `bearer.${other}`], bearer(token));
    await expectUnauthorized('', ['chat', `bearer.${token}`, `bearer.${other}`]);
  });

  it('of 100 KiB is refused before anybody looks at it', async () => {
    await start();
    const { status, headers } = await refusal('', [], bearer('x'.repeat(100 * 1024)));
    expect([status, headers['connection']]).toEqual([431, 'close']);
    await (await connect('alice')).expectNothingElse('alice');
  });

  it('is good for its own user only', async () => {
    await start();
    const headers = bearer(await issuer.token('alice'));
    const { status, body } = await refusal('?user=victim', [], headers);
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'FORBIDDEN' });
    expect(JSON.stringify(body)).not.toMatch(/alice|victim/);
    expect((await refusal('?user=alice&user=victim', [], headers)).body.code).toBe('BAD_USER');
    await (await open('?user=%20alice', [], headers)).expectNothingElse('alice');
  });

  it('is never logged or repeated', async () => {
    await start();
    const lines = catchLogLines();
    const [good, bad] = [await issuer.token('alice', { role: 'admin' }), await issuer.token('alice', { aud: 'x' })];
    const answers = [(await refusal('', [], bearer(bad))).body, (await refusal('', [`bearer.${good}`])).body];
    const { body } = await chat.rest('POST', '/chat/tickets', {}, good);
    await open(`?ticket=${body.ticket}`);
    answers.push((await refusal(`?ticket=${body.ticket}`)).body);
    await chat.rest('POST', '/chat/tickets', {}, bad);
    expect(lines.length).toBeGreaterThan(1);
    const written = JSON.stringify([lines, answers]);
    for (const secret of [good, bad, body.ticket, ADMIN_TOKEN]) expect(written).not.toContain(secret);
  });
});

describe('the end of a token', () => {
  it('ends the connection with 4401, and not before', async () => {
    const clock = clockOfToday();
    await start({ clock, heartbeatMs: HEARTBEAT_MS });
    const exp = seconds() + 60;
    const alice = await connect('alice', { exp });
    clock.advance(exp * 1000 - clock.now() - 1);
    await alice.expectNothingElse('alice');
    clock.advance(1);
    await alice.expectClose(4401);
    await chat.untilOffline('alice');
  });

  it('is awaited also when it is further away than a timer reaches', async () => {
    const clock = clockOfToday();
    const waits: number[] = [];
    const after = clock.after.bind(clock);
    clock.after = (ms, callback) => {
      waits.push(ms);
      return after(ms, callback);
    };
    await start({ clock });
    const alice = await connect('alice', { exp: seconds() + 10 * 365 * 24 * 3600 });
    await alice.expectNothingElse('alice');
    expect(Math.max(...waits)).toBe(2 ** 31 - 1);
  });

  it('leaves no timer behind when the connection ended before', async () => {
    const clock = clockOfToday();
    await start({ clock, heartbeatMs: HEARTBEAT_MS });
    const before = clock.pendingAlarms;
    const alice = await connect('alice');
    expect(clock.pendingAlarms).toBe(before + 2); // This timer, and the heartbeat of all connections.
    await alice.drop();
    await chat.untilOffline('alice');
    expect(clock.pendingAlarms).toBe(before + 2); // The heartbeat, and the note of when alice was last seen.
  });

  it.each([
    ['expired', 'new ones', async (clock: ManualClock) => clock.advance(60_000)],
    [
      'was ended by an administrator',
      'an administrator',
      () => chat.rest('DELETE', '/chat/users/alice/connections', undefined, ADMIN_TOKEN),
    ],
  ])('is the end of what its client may send: nothing is handled that came after it %s', async (_, reason, end) => {
    const clock = clockOfToday();
    await start({ clock, heartbeatMs: HEARTBEAT_MS });
    const bob = await connect('bob', { exp: null });
    const token = await issuer.token('alice', { exp: seconds() + 30 });
    const peer = await RawClient.open(chat.port, '/chat', bearer(token));
    await peer.write(RawClient.frame(Buffer.from('bob|before')));
    expect(await bob.next()).toBe('before');
    await end(clock);
    await peer.until(reason); // The timer of the close frame, which this peer does not answer.
    await peer.write(RawClient.frame(Buffer.from('bob|after')));
    peer.socket.end();
    await chat.untilOffline('alice');
    await bob.expectNothingElse('bob');
  });
});

describe('DELETE /chat/users/:user/connections', () => {
  it('ends all connections of this user and no other with 4403', async () => {
    await start({ sessions: 'multiple' });
    const [first, second, bob] = [await connect('alice'), await connect('alice'), await connect('bob')];
    const answer = await chat.rest('DELETE', '/chat/users/alice/connections', undefined, ADMIN_TOKEN);
    expect(answer).toEqual({ status: 200, body: { closed: 2 } });
    await first.expectClose(4403);
    await second.expectClose(4403);
    await bob.expectNothingElse('bob');
    expect((await chat.rest('DELETE', '/chat/users/nobody/connections', undefined, ADMIN_TOKEN)).body).toEqual({
      closed: 0,
    });
  });
});

describe('a ticket', () => {
  const issue = async (body: unknown, token: string) => chat.rest('POST', '/chat/tickets', body, token);
  const ticketOf = async (user: string, claims = {}) =>
    (await issue(undefined, await issuer.token(user, claims))).body.ticket as string;

  it('opens one connection of its user', async () => {
    await start();
    const { status, body } = await issue(undefined, await issuer.token('alice'));
    expect([status, Object.keys(body).sort()]).toEqual([201, ['expiresAt', 'ticket']]);
    expect(body.ticket).toMatch(/^(\d+\.)?[\w-]{43}$/); // In a cluster it begins with the node.
    const alice = await open(`?ticket=${body.ticket}`, ['chat.v1.json']);
    expect((await alice.nextJson('welcome')).data).toMatchObject({ user: 'alice' });
    expect(await refusal(`?ticket=${body.ticket}`)).toMatchObject(UNAUTHORIZED);
    await alice.drop();
    await chat.untilOffline('alice');
    await expectUnauthorized(`?ticket=${body.ticket}`);
  });

  it.each(['', 'garbage', '__proto__'])('that was never given is refused: %j', async (ticket) => {
    await start();
    await expectUnauthorized(`?ticket=${ticket}`);
  });

  it('is good for 30 seconds', async () => {
    const clock = clockOfToday();
    await start({ clock });
    const [early, late] = [await ticketOf('alice'), await issue(undefined, await issuer.token('bob'))];
    expect(Date.parse(late.body.expiresAt) - clock.now()).toBe(30_000);
    clock.advance(29_999);
    await (await open(`?ticket=${early}`)).drop();
    await chat.untilOffline('alice');
    clock.advance(1);
    await expectUnauthorized(`?ticket=${late.body.ticket}`);
  });

  it('is for the user of the token, unless an administrator names another', async () => {
    await start();
    const [user, admin] = [await issuer.token('alice'), await issuer.token('root', { roles: ['x', 'admin'] })];
    expect(await issue({ user: 'bob' }, user)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect(await issue({ user: 'alice' }, user)).toMatchObject({ status: 201 });
    expect(await issue({}, ADMIN_TOKEN)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    expect(await issue({ user: 'a|b' }, ADMIN_TOKEN)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    for (const token of [ADMIN_TOKEN, admin]) {
      const { body } = await issue({ user: ' bob' }, token);
      await (await open(`?ticket=${body.ticket}`)).expectNothingElse('bob');
    }
    const forAlice = await refusal(`?user=victim&ticket=${await ticketOf('alice')}`);
    expect([forAlice.status, forAlice.body.code]).toEqual([403, 'FORBIDDEN']);
  });

  it('ends its connection when the token would have', async () => {
    const clock = clockOfToday();
    await start({ clock, heartbeatMs: HEARTBEAT_MS });
    const exp = seconds() + 60;
    const alice = await open(`?ticket=${await ticketOf('alice', { exp })}`);
    clock.advance(exp * 1000 - clock.now());
    await alice.expectClose(4401);
  });

  it('is not given for a token that is over, as it would open nothing', async () => {
    const exp = seconds();
    await start({ clock: clockOfToday() });
    const over = await issue(undefined, await issuer.token('alice', { exp }));
    expect(over).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
  });

  it('is one of ten of its user at most, until one is used or over; others get theirs', async () => {
    const clock = clockOfToday();
    await start({ clock });
    const token = await issuer.token('alice');
    const tickets: string[] = [];
    for (let count = 0; count < 10; count += 1) {
      tickets.push((await issue(undefined, token)).body.ticket);
      clock.advance(1_000);
    }
    for (const [body, credentials] of [
      [undefined, token],
      [{ user: 'alice' }, ADMIN_TOKEN],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${chat.port}/chat/tickets`, {
        method: 'POST',
        headers: { ...bearer(credentials), 'Content-Type': 'application/json' },
        body: JSON.stringify(body ?? {}),
      });
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '20']);
      expect(await response.json()).toMatchObject({ statusCode: 429, code: 'TOO_MANY_TICKETS' });
    }
    expect((await issue(undefined, await issuer.token('bob'))).status).toBe(201);
    await open(`?ticket=${tickets[5]}`);
    expect((await issue(undefined, token)).status).toBe(201);
    expect((await issue(undefined, token)).status).toBe(429);
    clock.advance(20_000); // The first ticket has expired.
    expect((await issue(undefined, token)).status).toBe(201);
    expect((await issue(undefined, token)).status).toBe(429);
    const endsByUser = chat.app.get(Tickets)['endsByUser'];
    clock.advance(60_000);
    await issue({ user: 'carol' }, ADMIN_TOKEN);
    expect([...endsByUser.keys()]).toEqual(['carol']); // Nothing is remembered of the others.
  });

  it('is one of 10,000 at most, until their time is over', async () => {
    const clock = clockOfToday();
    await start({ clock });
    const tickets = chat.app.get(Tickets);
    for (let count = 0; count < 10_000; count += 1) tickets.issue({ user: `user-${count}` });
    const full = await issue({ user: 'alice' }, ADMIN_TOKEN);
    expect(full).toMatchObject({ status: 503, body: { code: 'TOO_MANY_TICKETS' } });
    clock.advance(30_000);
    expect((await issue({ user: 'alice' }, ADMIN_TOKEN)).status).toBe(201);
  });
});

describe('a page, where nobody has said which may connect', () => {
  const from = async (origin: string, headers = {}) =>
    open('', [], { ...bearer(await issuer.token('alice')), Origin: origin, ...headers });

  it('may when it is of the host that it connects to, however it reached that', async () => {
    await start();
    const { port } = chat; // Several nodes have several.
    for (const [origin, host] of [
      [`http://127.0.0.1:${port}`, `127.0.0.1:${port}`],
      ['https://chat.example.com', 'chat.example.com'],
      ['https://chat.example.com', 'Chat.example.com:443'],
      ['https://chat.example.com:8443', 'chat.example.com:8443'],
    ] as const) {
      await expect(from(origin, { Host: host })).resolves.toBeInstanceOf(TestClient);
    }
  });

  it.each([
    ['https://evil.example', 'chat.example.com'],
    ['https://chat.example.com.evil.example', 'chat.example.com'],
    ['https://chat.example.com@evil.example', 'chat.example.com'],
    ['https://chat.example.com:8443', 'chat.example.com'],
    ['http://chat.example.com', 'chat.example.com:443'],
    ['null', 'null'],
    ['', ''],
  ])('may not when it is of %j and connects to %j', async (Origin, Host) => {
    await start();
    const headers = { ...bearer(await issuer.token('alice')), Origin, Host };
    expect(await refusal('', [], headers)).toMatchObject({ status: 403, body: { code: 'ORIGIN_NOT_ALLOWED' } });
  });

  it('may from anywhere when the application says so, or believes everybody', async () => {
    await start({ allowedOrigins: null });
    await expect(from('https://elsewhere.example')).resolves.toBeInstanceOf(TestClient);
    await chat.dispose();
    chat = await ChatApp.start();
    const Origin = 'https://elsewhere.example';
    await expect(open('?user=alice', [], { Origin })).resolves.toBeInstanceOf(TestClient);
  });
});

describe('an authenticator that takes its time', () => {
  let asked: Promise<IncomingMessage>;
  let answer: (principal: Principal | null | Promise<never>) => void;

  /** Starts with an authenticator that decides when the test says so. Only alice is kept waiting. */
  async function startSlowly(options: TestOptions = {}): Promise<void> {
    let onAsked: (request: IncomingMessage) => void;
    asked = new Promise((resolve) => (onAsked = resolve));
    const answered = new Promise<Principal | null>((resolve) => (answer = resolve));
    const authenticate = (request: IncomingMessage) => {
      if (!request.url!.includes('alice')) return { user: 'bob' };
      onAsked(request);
      return answered;
    };
    await start({ authenticate, ...options });
  }

  async function knock(): Promise<RawClient> {
    const peer = await RawClient.connect(chat.port);
    const frames = ['bob|one', '|two', '|three'].map((text) => RawClient.frame(Buffer.from(text)));
    await peer.write(Buffer.concat([RawClient.handshake('/chat?user=alice'), ...frames]));
    await withDeadline(asked, () => 'the authenticator is asked');
    return peer;
  }

  it('delays the frames that came with the handshake, and keeps their order', async () => {
    await startSlowly();
    const bob = await open('?user=bob');
    const peer = await knock();
    await peer.write(RawClient.frame(Buffer.from('|four')));
    await bob.expectNothingElse('bob');
    expect(chat.connections.ofUser('alice')).toEqual([]);
    answer({ user: 'alice' });
    expect(await bob.take(4)).toEqual(['one', 'two', 'three', 'four']);
    peer.reset();
    await chat.untilOffline('alice');
  });

  it('never has the frames of a client handled whom it then refuses', async () => {
    await startSlowly();
    const bob = await open('?user=bob');
    const peer = await knock();
    answer(null);
    expect(await peer.until('}')).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
    await withDeadline(peer.closed, () => 'the server closes');
    await bob.expectNothingElse('bob');
    expect(chat.delivery.totals.accepted).toBe(1); // Bob's own.
  });

  it('opens nothing for a peer that has gone meanwhile', async () => {
    await startSlowly();
    const lines = catchLogLines();
    const peer = await knock();
    const { socket } = await asked;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    peer.reset();
    await withDeadline(gone, () => 'the server notices');
    answer({ user: 'alice' });
    await (await open('?user=bob')).expectNothingElse('bob');
    expect(chat.connections.ofUser('alice')).toEqual([]);
    expect(lines).toEqual([]);
  });

  it('is waited for 10 seconds, and a later decision is ignored', async () => {
    const clock = clockOfToday();
    await startSlowly({ clock });
    const peer = await knock();
    clock.advance(10_000);
    const response = await peer.until('}');
    expect(response).toMatch(/^HTTP\/1\.1 503 .*Retry-After: 5\r\n/s);
    expect(response).toContain('AUTHENTICATION_UNAVAILABLE');
    await withDeadline(peer.closed, () => 'the server closes');
    answer(Promise.reject(new Error('too late')));
    await (await open('?user=bob')).expectNothingElse('bob');
    expect(chat.connections.ofUser('alice')).toEqual([]);
  });

  it('opens nothing at a server that has begun to go away', async () => {
    await startSlowly();
    // This peer does not answer the close frame, so the server still drains when the authenticator decides.
    const stays = await RawClient.open(chat.port, '/chat?user=bob');
    const peer = await knock();
    const stopped = chat.dispose();
    await stays.until('going away');
    answer({ user: 'alice' });
    expect(await peer.until('}')).toMatch(/^HTTP\/1\.1 503 .*GOING_AWAY/s);
    stays.reset();
    await stopped;
    await start(); // For the end of every test.
  });
});
