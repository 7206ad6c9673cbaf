import { trusted } from '../authentication/trusted.authenticator.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { refusal } from '../../test/support/environment.js';
import { EnvironmentError } from './environment-error.js';
import { readEnvironment, readLogFormat } from './environment.js';
import { VARIABLES } from './variables.js';

const JWT = {
  CHAT_AUTH: 'jwt',
  CHAT_JWT_SECRET: 'x'.repeat(32),
  CHAT_JWT_ISSUER: 'https://issuer.example',
  CHAT_JWT_AUDIENCE: 'chat',
};

describe('the environment of the server', () => {
  it('needs nothing: the defaults are those of the contract [protocol 8]', () => {
    expect(readEnvironment({ PATH: '/usr/bin', HOME: '/root' })).toEqual({
      host: '127.0.0.1',
      port: 3000,
      databaseUrl: 'sqlite:data/holdfast.sqlite',
      cluster: null,
      path: '/chat',
      chat: resolveChatOptions(),
      authentication: { authenticate: trusted, adminToken: null, insecure: false },
      userClaim: null,
    });
  });

  it('says where to listen, where messages wait, and the path', () => {
    const env = {
      HOST: '::1',
      PORT: '0',
      DATABASE_URL: 'sqlite::memory:',
      CHAT_PATH: '/a/b-c.d_e~f',
      CHAT_AUTH: 'trusted',
    };
    expect(readEnvironment(env)).toMatchObject({
      host: '::1',
      port: 0,
      databaseUrl: 'sqlite::memory:',
      path: '/a/b-c.d_e~f',
    });
  });

  it('says how the log is written', () => {
    expect(['json', 'text', '', undefined].map((LOG_FORMAT) => readLogFormat({ LOG_FORMAT }))).toEqual([
      'json',
      'text',
      'text',
      'text',
    ]);
    expect(() => readLogFormat({ LOG_FORMAT: 'xml' })).toThrow(
      new EnvironmentError("LOG_FORMAT is 'xml'; give text or json, or leave it out."),
    );
  });

  it('takes an empty variable as one that is not there', () => {
    const env = { HOST: '', PORT: '', DATABASE_URL: '', CHAT_PATH: '', CHAT_AUTH: '', CHAT_ACK_WINDOW: '', CHAT_X: '' };
    expect(readEnvironment(env)).toEqual(readEnvironment({}));
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('listens on %s', (HOST) => {
    expect(readEnvironment({ HOST }).host).toBe(HOST);
  });

  it.each([
    '0.0.0.0',
    '::',
    '192.168.1.5',
    'example.org',
    'localhost.example.org',
    '127.0.0.1.example.org',
    '1127.0.0.1',
  ])('does not listen on %s, where strangers are', (HOST) => {
    expect(refusal({ HOST })).toBe(
      `HOST is '${HOST}', but anybody who reaches this server can be any user, and its administrator; set CHAT_AUTH=jwt, ` +
        'or give a loopback address such as 127.0.0.1, or accept it with CHAT_INSECURE=1.',
    );
    // An administrator token does not prove anybody's name.
    expect(refusal({ HOST, CHAT_ADMIN_TOKEN: 'x'.repeat(16) })).toContain('CHAT_AUTH=jwt');
    expect(readEnvironment({ HOST, CHAT_INSECURE: '1' })).toMatchObject({
      host: HOST,
      authentication: { insecure: true },
    });
    expect(readEnvironment({ HOST, ...JWT }).host).toBe(HOST);
  });

  it.each(['0', '1', '65535', '08080'])('takes the port %s', (PORT) => {
    expect(readEnvironment({ PORT }).port).toBe(Number(PORT));
  });

  it.each(['65536', '-1', '80.5', '0x50', '1e3', 'http', '999999999999999999999'])('refuses the port %j', (PORT) => {
    expect(refusal({ PORT })).toBe(`PORT is '${PORT}'; give a whole number from 0 to 65535, 0 for any free port.`);
  });

  it.each([
    'HOST',
    'PORT',
    'DATABASE_URL',
    'CHAT_PATH',
    'CHAT_AUTH',
    'CHAT_JWT_SECRET',
    'CHAT_JWKS_URL',
    'CHAT_JWT_ALGORITHM',
    'CHAT_JWT_ISSUER',
    'CHAT_JWT_AUDIENCE',
    'CHAT_JWT_USER_CLAIM',
    'CHAT_ADMIN_TOKEN',
    'CHAT_INSECURE',
    'CHAT_TRUSTED_PROXIES',
    'CHAT_ALLOWED_ORIGINS',
    'CHAT_SESSIONS',
    'CHAT_DRAIN_MS',
  ])('refuses %s with what was copied with it, and neither trims nor repeats it', (variable) => {
    const value = 'x'.repeat(32);
    const remedy = 'give it without that, such as from printf instead of echo.';
    for (const flawed of [
      `${value}\n`,
      `${value}\r\n`,
      `${value} `,
      ` ${value}`,
      `\t${value}`,
      `\ufeff${value}`,
      ' ',
    ]) {
      expect(refusal({ ...JWT, [variable]: flawed })).toBe(
        `${variable} begins or ends with a blank or a line break; ${remedy}`,
      );
    }
    for (const flawed of [`${value}\n${value}`, `${value}\0${value}`, `${value}\u0085${value}`]) {
      expect(refusal({ ...JWT, [variable]: flawed })).toBe(
        `${variable} has a line break or another control character in it; ${remedy}`,
      );
    }
  });

  it('leaves the variables of others alone', () => {
    expect(readEnvironment({ PS1: '$ ', SOME_TEXT: 'two\nlines\n' })).toEqual(readEnvironment({}));
  });

  it.each(['chat', '/', '/chat/', '//chat', '/a b', '/chat?x', '/:user', '/*', '/..', '/a/./b', '/chat#'])(
    'refuses the path %j',
    (CHAT_PATH) => {
      expect(refusal({ CHAT_PATH })).toBe(`CHAT_PATH is '${CHAT_PATH}'; give a path such as /chat.`);
    },
  );

  it.each(['CHAT_ACKWINDOW', 'CHAT_CLOCK', 'CHAT_', 'CHAT___PROTO__', 'CHAT_CONSTRUCTOR', 'CHAT_Ack_Window'])(
    'stops at %s, which is not known, and says which are',
    (variable) => {
      const message = refusal({ [variable]: '1' });
      expect(message).toMatch(
        new RegExp(`^${variable} is not known; known are CHAT_PATH, CHAT_CLUSTER, CHAT_BUS_URL, CHAT_AUTH, `),
      );
      const options = VARIABLES.size;
      expect(message.match(/CHAT_[A-Z_]+(?=[,.])/g)).toHaveLength(16 + options);
      expect(message).not.toContain('CLOCK,');
    },
  );

  it.each([
    ['CHAT_ACKWINDOW', 'CHAT_ACK_WINDOW'],
    ['CHAT_ack_windwo', 'CHAT_ACK_WINDOW'],
    ['CHAT_SESSION', 'CHAT_SESSIONS'],
    ['CHAT_RETENTION', 'CHAT_RETENTION_MS'],
    ['CHAT_ADMINTOKEN', 'CHAT_ADMIN_TOKEN'],
    ['CHAT_MAX_PENDING_PER_SENDRE', 'CHAT_MAX_PENDING_PER_SENDER'],
    ['CHAT_PTAH', 'CHAT_PATH'],
  ])('asks whether %s was meant to be %s', (variable, meant) => {
    expect(refusal({ [variable]: '1' })).toMatch(new RegExp(`; known are [^.]*\\. Did you mean ${meant}\\?$`));
  });

  it.each([
    'CHAT_',
    'CHAT_CLOCK',
    'CHAT_COLOUR',
    'CHAT_SERVICE',
    'CHAT_SERVICE_NAME',
    'CHAT_NAME',
    'CHAT_PORT',
    'CHAT_PORT_80',
  ])('does not ask what %s was meant to be', (variable) =>
    expect(refusal({ [variable]: '/' })).toMatch(/^\w+ is not known; known are [^.]*\.$/),
  );

  it('stops at another variable that has the value of a link', () => {
    expect(refusal({ CHAT_COLOUR: '/web/chat' })).toMatch(/^CHAT_COLOUR is not known/);
  });

  it.each(['CHAT', 'CHAT_XYZ', 'CHAT_MAX', 'CHAT_1'])(
    'lets be what orchestrators set for a Service or a link of the name that makes %s',
    (name) => {
      const address = '://10.0.0.1:80';
      const env = {
        [`${name}_SERVICE_HOST`]: '10.0.0.1',
        [`${name}_SERVICE_PORT`]: '80',
        [`${name}_SERVICE_PORT_HTTP`]: '80',
        [`${name}_SERVICE_PORT_WEB_SOCKET_2`]: '80',
        [`${name}_PORT`]: `tcp${address}`,
        ...Object.fromEntries(
          ['TCP', 'UDP', 'SCTP'].flatMap((kind) => [
            [`${name}_PORT_80_${kind}`, `${kind.toLowerCase()}${address}`],
            [`${name}_PORT_80_${kind}_PROTO`, kind.toLowerCase()],
            [`${name}_PORT_80_${kind}_PORT`, '80'],
            [`${name}_PORT_80_${kind}_ADDR`, '10.0.0.1'],
          ]),
        ),
        [`${name}_NAME`]: '/web/chat',
        [`${name}_ENV_NODE_VERSION`]: '20.19.0',
      };
      expect(readEnvironment(env)).toEqual(readEnvironment({}));
      expect(readEnvironment({ [`${name}_PORT`]: `udp${address}` })).toEqual(readEnvironment({}));
    },
  );
});
