import { generateKeyPairSync } from 'node:crypto';
import { refusal } from '../../test/support/environment.js';
import { trusted } from '../authentication/trusted.authenticator.js';
import { readEnvironment } from './environment.js';

const JWT = {
  CHAT_AUTH: 'jwt',
  CHAT_JWT_SECRET: 'x'.repeat(32),
  CHAT_JWT_ISSUER: 'https://issuer.example',
  CHAT_JWT_AUDIENCE: 'chat',
};

describe('the environment of the server says who may do what', () => {
  describe('with CHAT_AUTH=jwt', () => {
    it('authenticates by a secret, a public key or published keys', () => {
      const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
      const { CHAT_JWT_SECRET: _, ...rest } = JWT;
      for (const source of [
        { CHAT_JWT_SECRET: 'x'.repeat(32) },
        { CHAT_JWT_PUBLIC_KEY: String(pem) },
        { CHAT_JWT_PUBLIC_KEY: String(pem).replaceAll('\n', '\\n') },
        { CHAT_JWKS_URL: 'https://issuer.example/keys' },
        { CHAT_JWKS_URL: 'http://127.0.0.1:8080/keys' },
      ]) {
        const { authentication } = readEnvironment({ ...rest, ...source });
        expect(authentication).toMatchObject({ authenticate: expect.any(Function), adminToken: null, insecure: false });
        expect(authentication.authenticate).not.toBe(trusted);
      }
    });

    const one = 'give exactly one of CHAT_JWT_SECRET, CHAT_JWT_PUBLIC_KEY and CHAT_JWKS_URL.';
    const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
    const pem = { type: 'spki', format: 'pem' } as const;
    const key =
      'CHAT_JWT_PUBLIC_KEY is not a key that can be used here; give the public key, as PEM, of RSA with 2048 bits or more, of a curve P-256, P-384 or P-521, or of Ed25519.';
    const address =
      'CHAT_JWKS_URL is not a safe address of keys; give one with https:, as over http: anybody on the way could replace the keys.';
    it.each([
      ['no key', { CHAT_JWT_SECRET: '' }, `CHAT_JWT_SECRET is not given, nor is another source of keys; ${one}`],
      ['two keys', { CHAT_JWKS_URL: 'https://x' }, `CHAT_JWT_SECRET is not the only source of keys; ${one}`],
      [
        'a weak secret',
        { CHAT_JWT_SECRET: 'secret'.repeat(5) },
        'CHAT_JWT_SECRET has 30 bytes; give at least 32 random ones.',
      ],
      [
        'no issuer',
        { CHAT_JWT_ISSUER: '' },
        'CHAT_JWT_ISSUER is not given; give the one that every token has to have.',
      ],
      [
        'no audience',
        { CHAT_JWT_AUDIENCE: '' },
        'CHAT_JWT_AUDIENCE is not given; give the one that every token has to have.',
      ],
      ['no PEM', { CHAT_JWT_SECRET: '', CHAT_JWT_PUBLIC_KEY: 'secret' }, key],
      [
        'a private key',
        {
          CHAT_JWT_SECRET: '',
          CHAT_JWT_PUBLIC_KEY: String(rsa(2048).privateKey.export({ type: 'pkcs8', format: 'pem' })),
        },
        key,
      ],
      ['a short key', { CHAT_JWT_SECRET: '', CHAT_JWT_PUBLIC_KEY: String(rsa(1024).publicKey.export(pem)) }, key],
      [
        'another curve',
        {
          CHAT_JWT_SECRET: '',
          CHAT_JWT_PUBLIC_KEY: String(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export(pem)),
        },
        key,
      ],
      [
        'an algorithm of another kind of key',
        { CHAT_JWT_ALGORITHM: 'RS256' },
        'CHAT_JWT_ALGORITHM does not fit a secret; give one of HS256, HS384, HS512.',
      ],
      [
        'an algorithm that wants a longer secret',
        { CHAT_JWT_ALGORITHM: 'HS512' },
        'CHAT_JWT_SECRET has 32 bytes; give at least 64 random ones.',
      ],
      [
        'an algorithm of another curve',
        {
          CHAT_JWT_SECRET: '',
          CHAT_JWT_PUBLIC_KEY: String(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export(pem)),
          CHAT_JWT_ALGORITHM: 'ES256',
        },
        'CHAT_JWT_ALGORITHM does not fit this key; give one of ES384.',
      ],
      [
        'a secret for published keys',
        { CHAT_JWT_SECRET: '', CHAT_JWKS_URL: 'https://x', CHAT_JWT_ALGORITHM: 'HS256' },
        'CHAT_JWT_ALGORITHM is not an algorithm of RSA, the only keys that may be published without one; give one of RS256, RS384, RS512, PS256, PS384, PS512, or leave it out.',
      ],
      ['keys over plain HTTP', { CHAT_JWT_SECRET: '', CHAT_JWKS_URL: 'http://issuer.example/keys' }, address],
      ['keys at a host named alike', { CHAT_JWT_SECRET: '', CHAT_JWKS_URL: 'http://localhost.example/keys' }, address],
      [
        'keys of a user named alike',
        { CHAT_JWT_SECRET: '', CHAT_JWKS_URL: 'http://127.0.0.1:80@issuer.example/' },
        address,
      ],
      ['keys at no address', { CHAT_JWT_SECRET: '', CHAT_JWKS_URL: 'keys' }, address],
    ])('stops at %s, without a word of it', (_, env, message) => {
      expect(refusal({ ...JWT, ...env })).toBe(message);
    });
  });

  it.each([
    'CHAT_JWT_SECRET',
    'CHAT_JWT_PUBLIC_KEY',
    'CHAT_JWKS_URL',
    'CHAT_JWT_ALGORITHM',
    'CHAT_JWT_ISSUER',
    'CHAT_JWT_AUDIENCE',
    'CHAT_JWT_USER_CLAIM',
  ])('stops at %s where no token is checked', (variable) => {
    expect(refusal({ [variable]: 'x' })).toBe(
      `${variable} is given, but CHAT_AUTH is not jwt; set CHAT_AUTH=jwt, or leave it out.`,
    );
  });

  it.each(['short', 'x'.repeat(15), 'with a blank in the middle', '\u00e9'.repeat(16)])(
    'stops at an administrator token that is none, without a word of it: %j',
    (CHAT_ADMIN_TOKEN) => {
      expect(refusal({ CHAT_ADMIN_TOKEN })).toBe(
        'CHAT_ADMIN_TOKEN is too short, or has other characters than visible ASCII; give 16 or more of them, at random.',
      );
    },
  );

  it('takes an administrator token of digits as it is', () => {
    const CHAT_ADMIN_TOKEN = '0123456789012345';
    expect(readEnvironment({ CHAT_ADMIN_TOKEN }).authentication.adminToken).toBe(CHAT_ADMIN_TOKEN);
  });

  it.each(['0', 'true', 'yes'])('does not guess what CHAT_INSECURE=%s means', (CHAT_INSECURE) => {
    expect(refusal({ CHAT_INSECURE })).toBe(`CHAT_INSECURE is '${CHAT_INSECURE}'; give 1, or leave it out.`);
  });

  it.each(['none', 'JWT', 'Trusted'])('refuses to authenticate by %s', (CHAT_AUTH) => {
    expect(refusal({ CHAT_AUTH })).toBe(`CHAT_AUTH is '${CHAT_AUTH}'; give trusted or jwt.`);
  });
});
