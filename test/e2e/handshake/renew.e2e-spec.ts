import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Principal } from '../../../src/authentication/authenticator.js';
import { jwt, trusted } from '../../../src/index.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { Issuer } from '../../support/issuer.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { TestClient } from '../../support/test-client.js';

const MINUTE_MS = 60_000;
/** Longer than a test advances the clock, so that nobody is asked for a pong. */
const HEARTBEAT_MS = 600_000;

let chat: ChatApp;
let clock: ManualClock;
/** What the authenticator knows of each token. */
let tokens: Record<string, Principal | Promise<Principal> | Error>;
let asked: IncomingMessage[];
beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  tokens = { first: { user: 'alice', expiresAt: clock.now() + MINUTE_MS } };
});
afterEach(() => chat.dispose());

function authenticate(request: IncomingMessage) {
  asked.push(request);
  const known = tokens[request.headers.authorization?.replace('Bearer ', '') ?? ''] ?? null;
  if (known instanceof Error) throw known;
  return known;
}

/** Alice connects with her first token, which is good for a minute. */
async function connect(options: TestOptions = {}): Promise<TestClient> {
  chat = await ChatApp.start({ clock, heartbeatMs: HEARTBEAT_MS, authenticate, ...options });
  const alice = await chat.connectJson('alice', { headers: { Authorization: 'Bearer first' } });
  await alice.nextJson('caught-up');
  return alice;
}

async function refusalOf(client: TestClient, token: string) {
  client.sendJson('renew', { token });
  const { code, temporary, message } = (await client.nextJson('exception')).data;
  if (token !== '') expect(message).not.toContain(token);
  return [code, temporary];
}

/** Acknowledges the marker: what is not confirmed holds up the end of a connection. */
async function expectNothingElse(alice: TestClient): Promise<void> {
  await alice.expectNothingElse('alice');
  alice.sendJson('ack', { seq: 1 });
  await chat.untilTotals({ confirmed: 1 });
}

describe('a new token', () => {
  it('moves the end of its connection, and becomes what the application knows of it', async () => {
    const alice = await connect();
    const expiresAt = clock.now() + 5 * MINUTE_MS;
    tokens['newer'] = { user: 'alice', expiresAt, team: 'b' };
    alice.sendJson('renew', { token: 'newer' });
    expect((await alice.nextJson('renewed')).data).toEqual({ expiresAt: new Date(expiresAt).toISOString() });
    expect(chat.connections.ofUser('alice')[0]!.principal).toMatchObject({ team: 'b' });
    clock.advance(5 * MINUTE_MS - 1);
    await expectNothingElse(alice);
    clock.advance(1);
    await alice.expectClose(4401);
  });

  it('without an end leaves the connection open, and one that ends earlier ends it earlier', async () => {
    const alice = await connect();
    tokens['forever'] = { user: 'alice' };
    alice.sendJson('renew', { token: 'forever' });
    expect((await alice.nextJson('renewed')).data).toEqual({ expiresAt: null });
    clock.advance(2 * MINUTE_MS);
    await expectNothingElse(alice);
    tokens['short'] = { user: 'alice', expiresAt: clock.now() + 1_000 };
    alice.sendJson('renew', { token: 'short' });
    await alice.until('renewed');
    clock.advance(1_000);
    await alice.expectClose(4401);
  });

  it('that is not good, or not hers, is refused, and the connection ends when it would have', async () => {
    const alice = await connect();
    tokens['of bob'] = { user: 'bob' };
    tokens['ofbob'] = { user: 'bob' };
    tokens['old'] = { user: 'alice', expiresAt: clock.now() };
    for (const token of ['unknown', 'ofbob', 'old', 'of bob', 'of\nbob', '']) {
      expect([token, await refusalOf(alice, token)]).toEqual([token, ['BAD_TOKEN', false]]);
      clock.advance(5_000);
    }
    clock.advance(MINUTE_MS - 6 * 5_000 - 1);
    await expectNothingElse(alice);
    clock.advance(1);
    await alice.expectClose(4401);
  });

  it('that cannot be checked may be sent again', async () => {
    const alice = await connect({ handshakeMs: 2_000 });
    tokens['newer'] = new Error('the issuer is away');
    expect(await refusalOf(alice, 'newer')).toEqual(['AUTHENTICATION_UNAVAILABLE', true]);
    tokens['newer'] = new Promise<Principal>(() => undefined);
    const late = refusalOf(alice, 'newer');
    await eventually(() => asked.length === 3);
    clock.advance(2_000);
    expect(await late).toEqual(['AUTHENTICATION_UNAVAILABLE', true]);
    tokens['newer'] = { user: 'alice' };
    alice.sendJson('renew', { token: 'newer' });
    await alice.nextJson('renewed');
  });

  it('waits for none that was sent before it: one is checked at a time, three at once, then one in 5 s', async () => {
    const alice = await connect({ framesPerSecond: 20, frameBurst: 60 });
    let know: (principal: Principal) => void = () => undefined;
    tokens['slow'] = new Promise((resolve) => (know = resolve));
    alice.sendJson('renew', { token: 'slow' });
    expect(await refusalOf(alice, 'slow')).toEqual(['RATE_LIMITED', true]);
    know({ user: 'alice' });
    await alice.nextJson('renewed');
    for (let n = 0; n < 2; n += 1) expect(await refusalOf(alice, 'unknown')).toEqual(['BAD_TOKEN', false]);
    expect(await refusalOf(alice, 'unknown')).toEqual(['RATE_LIMITED', true]);
    clock.advance(5_000);
    expect(await refusalOf(alice, 'unknown')).toEqual(['BAD_TOKEN', false]);
    expect(asked).toHaveLength(5);
    for (let n = 0; n < 400; n += 1) alice.sendJson('renew', { token: 'unknown' });
    await alice.expectClose(4429);
    expect(asked).toHaveLength(5);
  });

  it('is all that the authenticator gets, over the socket of the connection', async () => {
    const alice = await connect();
    await refusalOf(alice, 'unknown');
    const { method, url, headers, socket } = asked.at(-1)!;
    expect({ method, url, headers }).toEqual({ method: 'GET', url: '/', headers: { authorization: 'Bearer unknown' } });
    expect(socket.remoteAddress).toMatch(/127\.0\.0\.1$/);
    expect(await text(asked.at(-1)!)).toBe('');
    await alice.expectNothingElse('alice');
  });

  it('of a connection that is gone is forgotten', async () => {
    const alice = await connect();
    let know: (principal: Principal) => void = () => undefined;
    tokens['slow'] = new Promise((resolve) => (know = resolve));
    alice.sendJson('renew', { token: 'slow' });
    await eventually(() => asked.length === 2);
    await alice.drop();
    await chat.untilOffline('alice');
    const alarms = clock.pendingAlarms;
    know({ user: 'alice', expiresAt: clock.now() + MINUTE_MS });
    await chat.rest('GET', '/chat/stats');
    expect(clock.pendingAlarms).toBeLessThan(alarms);
  });

  it('is refused where names are believed', async () => {
    const alice = await connect({ authenticate: trusted });
    expect(await refusalOf(alice, 'first')).toEqual(['BAD_TOKEN', false]);
  });

  it('may be a JSON Web Token', async () => {
    const issuer = await Issuer.start();
    try {
      const {
        publicKey,
        jwt: { issuer: name, audience },
      } = issuer;
      chat = await ChatApp.start({ authenticate: jwt({ publicKey, issuer: name, audience }) });
      const headers = { Authorization: `Bearer ${await issuer.token('alice')}` };
      const alice = await chat.connectJson('alice', { headers });
      await alice.nextJson('caught-up');
      const exp = Math.floor(Date.now() / 1_000) + 1_800;
      alice.sendJson('renew', { token: await issuer.token('alice', { exp }) });
      expect((await alice.nextJson('renewed')).data).toEqual({ expiresAt: new Date(exp * 1_000).toISOString() });
      expect(await refusalOf(alice, await issuer.token('bob'))).toEqual(['BAD_TOKEN', false]);
    } finally {
      await issuer.stop();
    }
  });
});
