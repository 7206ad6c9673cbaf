import { jest } from '@jest/globals';
import { exportSPKI, generateKeyPair, SignJWT, type GenerateKeyPairResult } from 'jose';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { jwt, type JwtOptions } from '../../../src/authentication/jwt.authenticator.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { Issuer } from '../../support/issuer.js';
import { catchLogLines } from '../../support/log-lines.js';
import { Refused, TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

async function pair(alg: string): Promise<GenerateKeyPairResult> {
  return generateKeyPair(alg, { extractable: true });
}

/** One issuer for all tests that need only one: making RSA keys takes half a second. */
const RSA_PAIR = pair('RS256');

let issuer: Issuer;
let chat: ChatApp;
let lines: string[];

beforeEach(async () => {
  issuer = await Issuer.start();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
  await issuer.stop();
});

async function start(options: Partial<JwtOptions> = {}): Promise<void> {
  chat = await ChatApp.start({ authenticate: jwt({ ...issuer.jwt, ...options }) });
  lines = catchLogLines();
}

const told = () => lines.filter((line) => /^(warn|error) /.test(line));

async function open(token: string): Promise<TestClient> {
  const headers = { Authorization: `Bearer ${token}` };
  return chat.keep(await TestClient.open(`ws://127.0.0.1:${chat.port}/chat`, ['chat.v1.json'], { headers }));
}

/** Returns the user of this token. */
async function userOf(token: string | Promise<string>): Promise<string> {
  const client = await open(await token);
  const { data } = await client.nextJson('welcome');
  await client.drop();
  await chat.untilOffline(data.user);
  return data.user;
}

async function refusal(token: string | Promise<string>): Promise<Refused> {
  const outcome = await open(await token).catch((error: unknown) => error);
  if (outcome instanceof Refused) return outcome;
  throw new Error(`it was not refused: ${String(outcome)}`);
}

async function codeOf(token: string | Promise<string>): Promise<string> {
  const { status, body } = await refusal(token);
  return `${status} ${body.code}`;
}

const FORBIDDEN = '403 UNUSABLE_NAME';
const UNAUTHORIZED = '401 UNAUTHORIZED';
const UNAVAILABLE = '503 AUTHENTICATION_UNAVAILABLE';

describe('the name in a token', () => {
  it.each([
    ['auth0|5f7c8a', 'auth0%7C5f7c8a'],
    ['auth0%7C5f7c8a', 'auth0%257C5f7c8a'],
    ['google-oauth2|1|2', 'google-oauth2%7C1%7C2'],
    ['100%', '100%25'],
    ['alice', 'alice'],
    ['Jos\u00e9', 'Jos\u00e9'],
    ['248289761001', '248289761001'],
  ])('is one user for each: %j is %j', async (sub, user) => {
    await start();
    expect(await userOf(issuer.token(sub))).toBe(user);
    expect(told()).toEqual([]);
  });

  alone('log').it.each([
    ['a number', 7],
    ['a list', ['alice']],
    ['missing', null],
    ['empty', ''],
    ['with a blank before it', ' alice'],
    ['with a line break behind it', 'alice\n'],
    ['with a tab', 'alice\t'],
    ['in another spelling', 'cafe\u0301'],
    ['with what is not seen', 'al\u00adice'],
    ['too long', 'x'.repeat(129)],
    ['too long once it is written so', '|'.repeat(43)],
  ])('is refused with 403 and a reason when it can be none, and one warning names the claim: %s', async (_, sub) => {
    await start();
    for (let n = 0; n < 2; n += 1) {
      const { status, body } = await refusal(issuer.token('', { sub }));
      expect([status, body.code]).toEqual([403, 'UNUSABLE_NAME']);
      expect(body.message).toMatch(/operator/);
    }
    expect(told()).toEqual([expect.stringMatching(/^warn Authentication: A valid token .* claim "sub".*userClaim/)]);
    expect(lines.join()).not.toMatch(/alice|caf|xxx|7,/);
  });

  it('is in the claim that the operator says', async () => {
    await start({ userClaim: 'https://example.com/uid' });
    expect(await userOf(issuer.token('7', { 'https://example.com/uid': 'alice' }))).toBe('alice');
    for (const claims of [{}, { uid: 'alice' }, { 'https://example.com/uid': 8 }]) {
      expect(await codeOf(issuer.token('7', claims))).toBe(FORBIDDEN);
    }
    await chat.dispose();
    await start({ userClaim: 'toString' });
    expect(await codeOf(issuer.token('alice'))).toBe(FORBIDDEN);
  });
});

describe('a token that is refused although its client may be right', () => {
  const wrong: [string, () => Promise<string>, RegExp][] = [
    ['another issuer', () => issuer.token('alice', { iss: `${Issuer.ISSUER}/` }), /its iss .*CHAT_JWT_ISSUER/],
    ['another audience', () => issuer.token('alice', { aud: 'account' }), /its aud .*CHAT_JWT_AUDIENCE/],
    ['no audience', () => issuer.token('alice', { aud: null }), /its aud /],
    ['another signature', async () => issuer.token('alice', {}, {}, await RSA_PAIR), /its signature /],
    ['another key', async () => issuer.token('alice', {}, { kid: 'x' }, await RSA_PAIR), /not among/],
    [
      'another algorithm',
      async () => issuer.token('alice', {}, { alg: 'PS256' }, await generateKeyPair('PS256')),
      /another algorithm than that key is for.*CHAT_JWT_ALGORITHM/,
    ],
  ];

  alone('log').it.each(wrong)(
    'is 401 in the one body, and one warning says which option to look at: %s',
    async (_, make, problem) => {
      await start();
      for (let n = 0; n < 3; n += 1) expect(await codeOf(make())).toBe(UNAUTHORIZED);
      expect(told()).toEqual([expect.stringMatching(problem)]);
      expect(lines.join()).not.toContain('account');
    },
  );

  it('is nothing for the log when it has expired, or is none', async () => {
    await start();
    const exp = Math.floor(Date.now() / 1000) - 120;
    for (const token of [issuer.token('alice', { exp }), 'a.b.c', 'garbage'])
      expect(await codeOf(token)).toBe(UNAUTHORIZED);
    expect(told()).toEqual([]);
  });
});

const KINDS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const RSA_OF_NO_USUAL_KIND = ['RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

describe('keys of every common kind work', () => {
  it.each(KINDS)('published, with its algorithm or as the operator says: %s', async (alg) => {
    const keys = await pair(alg);
    await issuer.publish(keys, { kid: 'named', alg });
    await issuer.publish(keys, { kid: 'unnamed' });
    await start(RSA_OF_NO_USUAL_KIND.includes(alg) ? { algorithm: alg } : {});
    expect(await userOf(issuer.token('alice', {}, { alg, kid: 'named' }, keys))).toBe('alice');
    expect(await userOf(issuer.token('bob', {}, { alg, kid: 'unnamed' }, keys))).toBe('bob');
  });

  it.each(KINDS)('as PEM: %s', async (alg) => {
    const keys = await pair(alg);
    const algorithm = RSA_OF_NO_USUAL_KIND.includes(alg) ? alg : undefined;
    await start({ jwksUrl: undefined, publicKey: await exportSPKI(keys.publicKey), algorithm });
    expect(await userOf(issuer.token('alice', {}, { alg }, keys))).toBe('alice');
  });

  it.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ])('as a secret: %s', async (alg, bytes) => {
    const secret = randomBytes(bytes).toString('hex').slice(0, bytes);
    await start({ jwksUrl: undefined, secret, ...(alg === 'HS256' ? {} : { algorithm: alg }) });
    const token = new SignJWT(Issuer.claims('alice')).setProtectedHeader({ alg });
    expect(await userOf(token.sign(Buffer.from(secret)))).toBe('alice');
  });

  it('and each is for one algorithm, never for the one that a token says', async () => {
    const keys = await pair('RS256');
    await issuer.publish(keys, { kid: 'unnamed' });
    await start();
    const { privateKey } = keys;
    const asPss = await crypto.subtle.importKey(
      'jwk',
      { ...(await crypto.subtle.exportKey('jwk', privateKey)), alg: 'PS256' },
      { name: 'RSA-PSS', hash: 'SHA-256' },
      true,
      ['sign'],
    );
    const token = issuer.token('alice', {}, { alg: 'PS256', kid: 'unnamed' }, { ...keys, privateKey: asPss });
    expect(await codeOf(token)).toBe(UNAUTHORIZED);
  });

  it('also when they have no name, and several are published', async () => {
    const [one, other] = [await pair('ES256'), await pair('ES256')];
    issuer.published.keys = [];
    for (const keys of [one, other]) await issuer.publish(keys, { alg: 'ES256' });
    await start();
    for (const keys of [one, other]) {
      expect(await userOf(issuer.token('alice', {}, { alg: 'ES256', kid: undefined }, keys))).toBe('alice');
    }
    expect(await codeOf(issuer.token('alice', {}, { alg: 'ES256', kid: undefined }, await pair('ES256')))).toBe(
      UNAUTHORIZED,
    );
  });

  it('and the others are named in the log', async () => {
    const [weak, good] = [{ kty: 'RSA', n: 'AQAB', e: 'AQAB' }, issuer.published.keys[0]!];
    const strange = [
      { kty: 'oct', k: 'AAAA' },
      { kty: 'AKP' },
      weak,
      { kty: 'EC', crv: 'secp256k1' },
      { ...good, d: 'AA' },
    ];
    issuer.published.keys = [...strange, { ...good, use: 'enc', kid: 'enc' }];
    await start();
    expect(await codeOf(issuer.token('alice'))).toBe(UNAVAILABLE);
    expect(told()).toEqual([
      expect.stringMatching(/^error .*it has no key that can be used here: use RSA of 2,048 bits/),
    ]);
    await chat.dispose();
    issuer.published.keys.push(good);
    await start();
    expect(await codeOf(issuer.token('alice', {}, { kid: 'enc' }))).toBe(UNAUTHORIZED);
    expect(await userOf(issuer.token('alice'))).toBe('alice');
    expect(told()).toEqual([expect.stringContaining('(5 published keys cannot be used here')]);
  });
});

describe('published keys', () => {
  let aheadMs: number;
  /** Advances the clock of the keys. Tokens keep to the real one. */
  beforeEach(() => {
    aheadMs = 0;
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
  });
  const pass = (ms: number) => void (aheadMs += ms);
  const forEver = (user: string, header = {}, keys?: GenerateKeyPairResult) =>
    issuer.token(user, { exp: null }, header, keys);

  it('that were exchanged within the cool-down are 503 with Retry-After, and taken when it is over', async () => {
    await start();
    expect(await userOf(forEver('alice'))).toBe('alice');
    const fresh = await RSA_PAIR;
    issuer.published.keys = [];
    await issuer.publish(fresh, { kid: 'fresh', alg: 'RS256' });
    const token = await forEver('bob', { kid: 'fresh' }, fresh);
    const { status, headers } = await refusal(token);
    const wait = Number(headers['retry-after']);
    expect([status, wait > 0 && wait <= 30]).toEqual([503, true]);
    expect(told()).toEqual([]);
    pass(wait * 1000);
    expect(await userOf(token)).toBe('bob');
    expect(await codeOf(forEver('alice'))).toBe(UNAVAILABLE); // The old key may be a new one too, until the keys are asked for.
    pass(30_000);
    expect(await codeOf(forEver('alice'))).toBe(UNAUTHORIZED);
    expect(await codeOf(forEver('alice'))).toBe(UNAUTHORIZED);
    expect(issuer.asked).toBe(3);
  });

  alone('log').it('are asked for once a cool-down, whatever strangers send', async () => {
    await start();
    const stranger = await RSA_PAIR;
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, n) => forEver('eve', { kid: `kid-${n}` }, stranger)),
    );
    for (const token of tokens) await refusal(token);
    expect(issuer.asked).toBe(1);
    await Promise.all(tokens.map((token) => refusal(token)));
    expect(issuer.asked).toBe(1);
    pass(30_000);
    await Promise.all(tokens.map((token) => refusal(token)));
    expect(issuer.asked).toBe(2);
    expect(told()).toHaveLength(1);
  });

  alone('log').it('cost strangers neither a line nor a request each while the address fails', async () => {
    issuer.outage = 500;
    await start();
    for (let n = 0; n < 10; n += 1) {
      const { status, headers } = await refusal(forEver('eve', { kid: `kid-${n}` }));
      expect([status, Number(headers['retry-after']) > 0]).toEqual([503, true]);
    }
    expect(issuer.asked).toBe(1);
    expect(told()).toEqual([expect.stringMatching(/^error .*it returned 500; look at the address/)]);
    issuer.outage = null;
    pass(30_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
  });

  it('that were read stay good for a day while the address fails, and no longer', async () => {
    await start();
    expect(await userOf(forEver('alice'))).toBe('alice');
    issuer.outage = 500;
    pass(11 * 60_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
    pass(23 * 3_600_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
    expect(await codeOf(forEver('eve', { kid: 'other' }))).toBe(UNAVAILABLE);
    pass(3_600_000);
    expect(await codeOf(forEver('alice'))).toBe(UNAVAILABLE);
    await eventually(() => issuer.asked === 4); // The answer to this is still that of the outage.
    issuer.outage = null;
    pass(30_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
  });

  it('that were taken back are forgotten after ten minutes', async () => {
    await start();
    expect(await userOf(forEver('alice'))).toBe('alice');
    issuer.published.keys = [];
    await issuer.publish(await RSA_PAIR, { kid: 'fresh', alg: 'RS256' });
    pass(10 * 60_000);
    expect(await codeOf(forEver('alice'))).toBe(UNAUTHORIZED);
  });

  it('keep nobody with a good token waiting for an address that is known to fail', async () => {
    await start();
    expect(await userOf(forEver('alice'))).toBe('alice');
    issuer.outage = 500;
    pass(11 * 60_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
    const asked: ServerResponse[] = [];
    issuer.outage = (response) => void asked.push(response); // From here on the address does not answer.
    pass(30_000);
    expect(await userOf(forEver('alice'))).toBe('alice');
    await eventually(() => asked.length === 1);
    expect(await userOf(forEver('alice'))).toBe('alice');
    asked[0]!.destroy();
  });

  it('are waited for 5 seconds, however they drip', async () => {
    issuer.outage = (response) => void response.writeHead(200).write('{"keys":[');
    await start();
    expect(await codeOf(forEver('alice'))).toBe(UNAVAILABLE);
    expect(told()).toEqual([expect.stringContaining('no response within 5000 ms')]);
  });

  it('are read up to a mebibyte, however long they are', async () => {
    let written = 0;
    let ended = false;
    const chunk = Buffer.alloc(65_536, ' ');
    issuer.outage = (response) => {
      response.writeHead(200).on('close', () => (ended = true));
      const pour = () => {
        while (!ended && written < 400 * 1024 * 1024) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', pour);
        }
      };
      pour();
    };
    await start();
    expect(await codeOf(forEver('alice'))).toBe(UNAVAILABLE);
    await eventually(() => ended);
    expect(written).toBeLessThan(16 * 1024 * 1024);
    expect(told()).toEqual([expect.stringContaining('its response has more than 1048576 bytes')]);
  });

  alone('log').it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['no JSON', (response) => void response.end('<html>secret'), /its response is not JSON;/],
    ['no set', (response) => void response.end('[]'), /not a JSON Web Key Set;/],
    ['no keys', (response) => void response.end('{"keys":[]}'), /it has no keys;/],
    ['a redirect', (response) => void response.writeHead(302, { Location: '/trap' }).end(), /it returned 302;/],
    ['a reset', (response) => void response.destroy(), /UND_ERR_SOCKET|other side closed|ECONNRESET/],
  ])('that are none are 503, and one error says why: %s', async (_, answer, problem) => {
    issuer.outage = answer;
    await start();
    for (let n = 0; n < 3; n += 1) expect(await codeOf(forEver('alice'))).toBe(UNAVAILABLE);
    expect(told()).toEqual([expect.stringMatching(problem)]);
    expect([lines.join().includes('secret'), issuer.trapped]).toEqual([false, []]);
  });
});
