import { jest } from '@jest/globals';
import {
  ForbiddenException,
  HttpException,
  InternalServerErrorException,
  ServiceUnavailableException,
  UnauthorizedException,
} from '@nestjs/common';
import { errors, jwtVerify } from 'jose';
import type { IncomingMessage } from 'node:http';
import type { Authenticator } from '../../../src/authentication/authenticator.js';
import { HandshakeRefusal } from '../../../src/protocol/handshake-refusal.js';
import { ChatApp } from '../../support/chat-app.js';
import { catchLogLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { Refused, TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

let chat: ChatApp;
let lines: string[];

afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
});

async function start(authenticate: (request: IncomingMessage) => unknown, clock?: ManualClock): Promise<void> {
  chat = await ChatApp.start({ authenticate: authenticate as Authenticator, ...(clock ? { clock } : {}) });
  lines = catchLogLines();
}

const SECRET = 'Bearer-of-a-secret';

async function refusal(headers: Record<string, string> = { Authorization: `Bearer ${SECRET}` }): Promise<Refused> {
  const outcome = await TestClient.open(`ws://127.0.0.1:${chat.port}/chat`, [], { headers }).catch((error) => error);
  if (outcome instanceof Refused) return outcome;
  (outcome as TestClient).socket.terminate();
  throw new Error(`it was not refused: ${String(outcome)}`);
}

/** Refused in the same way at the upgrade and over REST. */
async function expectRefusal(status: number, code: string): Promise<Refused> {
  const refused = await refusal();
  expect([refused.status, refused.body.statusCode, refused.body.code]).toEqual([status, status, code]);
  const rest = await chat.rest('GET', '/chat/stats', undefined, SECRET);
  expect([rest.status, rest.body]).toEqual([status, refused.body]);
  return refused;
}

const raise = (error: unknown) => () => {
  throw error;
};

const named = (name: string, message = 'no') => Object.assign(new Error(message), { name });
const coded = (code: string) => Object.assign(new Error('no'), { code });

describe('what the authenticator of an application throws', () => {
  it.each([
    ['a HandshakeRefusal', new HandshakeRefusal(403, 'SUSPENDED', 'ask the help desk'), 403, 'SUSPENDED'],
    ['one with a status that few have', new HandshakeRefusal(402, 'UNPAID', 'pay first'), 402, 'UNPAID'],
    ['one with a status that Node does not know', new HandshakeRefusal(499, 'ODD', 'odd'), 499, 'ODD'],
    ['an UnauthorizedException', new UnauthorizedException('the session is over'), 401, 'UNAUTHORIZED'],
    ['a ForbiddenException', new ForbiddenException(), 403, 'FORBIDDEN'],
    ['a locked account', new HttpException('locked', 423), 423, 'LOCKED'],
    ['an exception with a code', new HttpException({ code: 'BANNED', message: 'for good' }, 403), 403, 'BANNED'],
  ])('is answered as it says, and is nothing for the log: %s', async (_, thrown, status, code) => {
    await start(raise(thrown));
    const { body, headers } = await expectRefusal(status, code);
    expect(body.message).toBe(thrown.message);
    expect(headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
    expect(lines.filter((line) => /^(warn|error)/.test(line))).toEqual([]);
  });

  it.each([
    ['of jsonwebtoken', named('JsonWebTokenError', 'invalid signature')],
    ['that has expired', named('TokenExpiredError', 'jwt expired')],
    ['of the future', named('NotBeforeError', 'jwt not active')],
    ['of jose', new errors.JWTExpired('expired', {})],
    ['with another audience', new errors.JWTClaimValidationFailed('unexpected', {}, 'aud')],
    ['with another signature', new errors.JWSSignatureVerificationFailed()],
    ['of a key that nobody has', new errors.JWKSNoMatchingKey()],
    ['with an algorithm that is not taken', new errors.JOSEAlgNotAllowed()],
    ['of another copy of jose', coded('ERR_JWT_INVALID')],
  ])('is 401 when it is of a token %s, in the one body', async (_, thrown) => {
    await start(raise(thrown));
    const { body } = await expectRefusal(401, 'UNAUTHORIZED');
    expect(body.message).toBe('valid credentials are needed; get new ones and try again');
    expect(lines.filter((line) => /^(warn|error)/.test(line))).toEqual([]);
  });

  it('is 401 when jose itself refuses what it was given', async () => {
    await start(async () => {
      await jwtVerify('no.token.at-all', Buffer.alloc(32));
    });
    await expectRefusal(401, 'UNAUTHORIZED');
  });

  alone('log').it.each([
    ['an error', new Error('connect ECONNREFUSED')],
    ['a TypeError', new TypeError('undefined is no function')],
    ['keys that cannot be read', new errors.JWKSTimeout()],
    ['keys that are none', new errors.JWKSInvalid()],
    ['a secret that was forgotten', named('JsonWebTokenError', 'secret or public key must be provided')],
    ['an exception that refuses nothing', new HttpException('fine', 200)],
  ])('is 503 when nobody could tell, and one warning has message and stack: %s', async (_, thrown) => {
    let later = false;
    await start(() => (later ? Promise.reject(thrown) : raise(thrown)()));
    for (later of [false, true]) {
      const { headers } = await expectRefusal(503, 'AUTHENTICATION_UNAVAILABLE');
      expect(headers['retry-after']).toBe('5');
    }
    const warnings = lines.filter((line) => /^(warn|error) /.test(line));
    expect(warnings).toEqual([expect.stringMatching(/^warn Authentication: authenticate failed, .*HandshakeRefusal/)]);
    expect(warnings[0]).toContain(thrown.message);
    expect(warnings[0]).toContain('own-authenticator.e2e-spec'); // A line of its stack.
  });

  alone('log').it.each([
    ['a text', 'went wrong'],
    ['nothing', undefined],
    ['an object', { reason: 1 }],
    ['one of no prototype', Object.create(null)],
  ])('is 503 also when it is not an error: %s', async (_, thrown) => {
    await start(raise(thrown));
    await expectRefusal(503, 'AUTHENTICATION_UNAVAILABLE');
    expect(lines.filter((line) => line.startsWith('warn '))).toHaveLength(1);
  });

  alone('log').it.each([
    ['InternalServerErrorException', new InternalServerErrorException(), 500, 'INTERNAL_SERVER_ERROR'],
    ['ServiceUnavailableException', new ServiceUnavailableException(), 503, 'SERVICE_UNAVAILABLE'],
  ])('keeps its status and is logged when it is an %s', async (_, thrown, status, code) => {
    await start(raise(thrown));
    await expectRefusal(status, code);
    expect(lines.filter((line) => line.startsWith('warn '))).toHaveLength(1);
  });

  it('is logged once a kind and minute, and without what came with the request', async () => {
    const clock = new ManualClock();
    await start((request) => {
      throw new Error(`bad: ${request.headers.authorization} ${request.headers.cookie} ${request.url}`);
    }, clock);
    const headers = { Authorization: `Bearer ${SECRET}`, Cookie: 'sid=0123456789abcdef' };
    for (let n = 0; n < 5; n += 1) await refusal(headers);
    clock.advance(60_000);
    await refusal(headers);
    const warnings = lines.filter((line) => line.startsWith('warn '));
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain('(and 4 more since the last such line)');
    for (const secret of [SECRET, '0123456789abcdef']) expect(lines.join('\n')).not.toContain(secret);
  });
});

describe('what the authenticator of an application returns', () => {
  const seconds = () => Math.floor(Date.now() / 1000);

  alone('log').it.each([
    ['no object', 'alice', 'the result is a string'],
    ['yes', true, 'the result is a boolean'],
    ['nothing in it', {}, '`user` of the result is missing'],
    ['no user', { user: null }, '`user` of the result is missing'],
    ['a number for a user', { user: 42 }, '`user` of the result is a number'],
    ['a big number', { user: 42n }, '`user` of the result is a bigint'],
    ['a list', ['alice'], '`user` of the result is missing'],
    ['an end in seconds', { user: 'alice', expiresAt: seconds() }, '`expiresAt` of the result looks like seconds'],
    ['an end of 0', { user: 'alice', expiresAt: 0 }, '`expiresAt` of the result looks like seconds'],
    ['a text', { user: 'alice', expiresAt: new Date().toISOString() }, '`expiresAt` of the result is a string'],
    ['NaN', { user: 'alice', expiresAt: NaN }, '`expiresAt` of the result is NaN'],
    ['Infinity', { user: 'alice', expiresAt: Infinity }, '`expiresAt` of the result is Infinity'],
    ['a BigInt', { user: 'alice', expiresAt: 1n }, '`expiresAt` of the result is a bigint'],
    ['a Date that is none', { user: 'alice', expiresAt: new Date('tomorrow') }, '`expiresAt` of the result is NaN'],
    ['an administrator of 1', { user: 'alice', isAdmin: 1 }, '`isAdmin` of the result is a number'],
  ])('wrongly is 503, and one error names the field: %s', async (_, answer, problem) => {
    await start(() => answer);
    await expectRefusal(503, 'AUTHENTICATION_UNAVAILABLE');
    const errorLines = lines.filter((line) => line.startsWith('error '));
    expect(errorLines).toEqual([expect.stringContaining(problem)]);
    expect(errorLines[0]).not.toMatch(/alice|42/);
  });

  alone('log').it.each([' alice', 'alice\n', '\talice', 'cafe\u0301', 'a|b', '', 'a\u0007', 'x'.repeat(129)])(
    'as a name that is not in its only spelling is 403, and one error says so: %j',
    async (user) => {
      await start(() => ({ user }));
      await expectRefusal(403, 'UNUSABLE_NAME');
      expect(lines.filter((line) => line.startsWith('error '))).toEqual([expect.stringContaining('`user`')]);
      expect(chat.connections.count).toBe(0);
    },
  );

  it.each([null, undefined])(
    'for whom it does not know is %p, which is 401 and nothing for the log',
    async (answer) => {
      await start(() => answer);
      await expectRefusal(401, 'UNAUTHORIZED');
      expect(lines.filter((line) => /^(warn|error)/.test(line))).toEqual([]);
    },
  );

  it.each([
    ['null', () => null],
    ['a Date', () => new Date(Date.now() + 3_600_000)],
    ['milliseconds', () => Date.now() + 3_600_000.5],
  ])('may say when it ends: %s', async (_, end) => {
    await start(() => ({ user: 'alice', expiresAt: end(), isAdmin: null, team: 'blue' }));
    const alice = chat.keep(await TestClient.open(`ws://127.0.0.1:${chat.port}/chat`));
    await alice.expectNothingElse('alice');
    expect(chat.connections.ofUser('alice')[0]!.principal).toMatchObject({ user: 'alice', team: 'blue' });
  });
});

describe('a HandshakeRefusal', () => {
  it.each([200, 101, 302, 399, 600, 42.5, NaN])('can not have the status %p', (status) => {
    expect(() => new HandshakeRefusal(status, 'X', 'x')).toThrow(RangeError);
  });

  it('can not carry a header that would begin another', () => {
    expect(() => new HandshakeRefusal(403, 'X', 'x', { 'X-Why': 'a\r\nSet-Cookie: b' })).toThrow(/Invalid character/);
    expect(() => new HandshakeRefusal(403, 'X', 'x', { 'X Why': 'a' })).toThrow(/valid HTTP token/);
  });
});
