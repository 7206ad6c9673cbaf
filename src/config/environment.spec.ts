import { trusted } from '../authentication/trusted.authenticator.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { systemClock } from '../options/clock.js';
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
      path: '/chat',
      chat: resolveChatOptions(),
      authentication: { authenticate: trusted, adminToken: null, insecure: false },
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

  it('sets every option of the chat by its name', () => {
    const { chat } = readEnvironment({
      CHAT_SESSIONS: 'multiple',
      CHAT_PERSIST_AFTER_MS: '0',
      CHAT_ACK_WINDOW: '4',
      CHAT_MAX_CONTENT_BYTES: '5',
      CHAT_MAX_FRAME_BYTES: '6',
      CHAT_MAX_FRAGMENTS: '19',
      CHAT_SLOW_BUFFER_BYTES: '2000',
      CHAT_MAX_BUFFERED_BYTES: '2100',
      CHAT_HEARTBEAT_MS: '7000',
      CHAT_MAX_PENDING_PER_USER: '8',
      CHAT_MAX_PENDING_BYTES_PER_USER: '9',
      CHAT_MAX_PENDING_PER_SENDER: '10',
      CHAT_OVERFLOW: 'evict-oldest',
      CHAT_RETENTION_MS: '11000',
      CHAT_FRAMES_PER_SECOND: '12',
      CHAT_FRAME_BURST: '13',
      CHAT_MAX_STORED_BYTES_PER_SENDER: '300',
      CHAT_MAX_STORED_BYTES: '400',
      CHAT_BROADCASTS_PER_SECOND: '14',
      CHAT_CONNECTIONS_PER_USER: '15',
      CHAT_CONNECTIONS_PER_ADDRESS: '16',
      CHAT_MAX_CONNECTIONS: '17',
      CHAT_HANDSHAKES_PER_SECOND: '18',
      CHAT_HANDSHAKE_MS: '1900',
      CHAT_TRUSTED_PROXIES: 'loopback, 10.0.0.0/8',
      CHAT_ALLOWED_ORIGINS: 'https://a.example,https://b.example',
      CHAT_ALLOWED_HOSTS: 'a.test, b.test',
      CHAT_DRAIN_MS: '1800',
    });
    const { clock, ...set } = chat;
    expect(set).toEqual({
      sessions: 'multiple',
      persistAfterMs: 0,
      ackWindow: 4,
      maxContentBytes: 5,
      maxFrameBytes: 6,
      maxFragments: 19,
      slowBufferBytes: 2000,
      maxBufferedBytes: 2100,
      heartbeatMs: 7000,
      maxPendingPerUser: 8,
      maxPendingBytesPerUser: 9,
      maxPendingPerSender: 10,
      maxStoredBytesPerSender: 300,
      maxStoredBytes: 400,
      overflow: 'evict-oldest',
      retentionMs: 11000,
      framesPerSecond: 12,
      frameBurst: 13,
      broadcastsPerSecond: 14,
      connectionsPerUser: 15,
      connectionsPerAddress: 16,
      maxConnections: 17,
      handshakesPerSecond: 18,
      handshakeMs: 1900,
      trustedProxies: ['loopback', '10.0.0.0/8'],
      allowedOrigins: ['https://a.example', 'https://b.example'],
      allowedHosts: ['a.test', 'b.test'],
      drainMs: 1800,
    });
    expect(clock).toBe(systemClock);
    expect(Object.isFrozen(chat)).toBe(true);
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

  it('takes none for no limit', () => {
    const { chat } = readEnvironment({ CHAT_MAX_PENDING_PER_USER: 'none', CHAT_RETENTION_MS: 'none' });
    expect(chat).toMatchObject({ maxPendingPerUser: null, retentionMs: null, maxPendingPerSender: 200 });
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
        new RegExp(`^${variable} is not known; known are CHAT_PATH, CHAT_AUTH, CHAT_JWT_SECRET, `),
      );
      const options = VARIABLES.size;
      expect(message.match(/CHAT_[A-Z_]+(?=[,.])/g)).toHaveLength(11 + options);
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

  it.each([
    ['CHAT_RETENTION_MS', '30d', { retentionMs: 2_592_000_000 }],
    ['CHAT_HANDSHAKE_MS', '5m', { handshakeMs: 300_000 }],
    ['CHAT_RETENTION_MS', '12h', { retentionMs: 43_200_000 }],
    ['CHAT_HEARTBEAT_MS', '25s', { heartbeatMs: 25_000 }],
    ['CHAT_DRAIN_MS', '500ms', { drainMs: 500 }],
    ['CHAT_PERSIST_AFTER_MS', '0s', { persistAfterMs: 0 }],
    ['CHAT_MAX_CONTENT_BYTES', '512B', { maxContentBytes: 512 }],
    ['CHAT_MAX_CONTENT_BYTES', '64KiB', { maxContentBytes: 65_536 }],
    ['CHAT_MAX_BUFFERED_BYTES', '1MiB', { maxBufferedBytes: 1_048_576 }],
    ['CHAT_MAX_PENDING_BYTES_PER_USER', '1MiB', { maxPendingBytesPerUser: 1_048_576 }],
    ['CHAT_MAX_STORED_BYTES', '8GiB', { maxStoredBytes: 8_589_934_592 }],
  ])('understands the unit of %s=%s', (variable, value, options) => {
    expect(readEnvironment({ [variable]: value }).chat).toMatchObject(options);
  });

  const retention = 'give a whole number of at least 1000, or none for no limit';
  it.each([
    ['CHAT_SESSIONS', 'both', "give 'replace' or 'multiple'"],
    ['CHAT_SESSIONS', 'none', "give 'replace' or 'multiple'"],
    ['CHAT_OVERFLOW', '1', "give 'reject' or 'evict-oldest'"],
    ['CHAT_PERSIST_AFTER_MS', '60001', 'give a whole number from 0 to 60000'],
    ['CHAT_PERSIST_AFTER_MS', '2m', 'give a whole number from 0 to 60000'],
    ['CHAT_PERSIST_AFTER_MS', '-1', 'give a whole number from 0 to 60000; units are ms, s, m, h, d'],
    ['CHAT_ACK_WINDOW', 'many', 'give a whole number from 2 to 4096'],
    ['CHAT_ACK_WINDOW', '2.5', 'give a whole number from 2 to 4096'],
    ['CHAT_ACK_WINDOW', 'none', 'give a whole number from 2 to 4096'],
    ['CHAT_MAX_PENDING_PER_USER', '0', 'give a whole number of at least 1, or none for no limit'],
    ['CHAT_MAX_PENDING_PER_USER', 'null', 'give a whole number of at least 1, or none for no limit'],
    ['CHAT_ACK_WINDOW', '5s', 'give a whole number from 2 to 4096'],
    ['CHAT_RETENTION_MS', '1.5h', `${retention}; units are ms, s, m, h, d`],
    ['CHAT_RETENTION_MS', '30D', `${retention}; units are ms, s, m, h, d`],
    ['CHAT_RETENTION_MS', '64KiB', `${retention}; units are ms, s, m, h, d`],
    ['CHAT_RETENTION_MS', '30constructor', `${retention}; units are ms, s, m, h, d`],
    ['CHAT_RETENTION_MS', '999ms', retention],
    ['CHAT_RETENTION_MS', `${'9'.repeat(20)}d`, retention],
    ['CHAT_MAX_CONTENT_BYTES', '64KB', 'give a whole number from 1 to 16777216; units are B, KiB, MiB, GiB'],
    ['CHAT_MAX_CONTENT_BYTES', '1s', 'give a whole number from 1 to 16777216; units are B, KiB, MiB, GiB'],
    ['CHAT_MAX_CONTENT_BYTES', '1GiB', 'give a whole number from 1 to 16777216'],
    ['CHAT_RETENTION_MS', '9'.repeat(20), retention],
    [
      'CHAT_MAX_FRAME_BYTES',
      '65536',
      'give more than CHAT_MAX_CONTENT_BYTES (65536), as a frame holds the content and its envelope',
    ],
    [
      'CHAT_MAX_PENDING_BYTES_PER_USER',
      '1',
      'give at least CHAT_MAX_CONTENT_BYTES (65536), otherwise the longest message could never wait',
    ],
  ])('stops at %s=%s, in its own words', (variable, value, remedy) => {
    expect(refusal({ [variable]: value })).toBe(`${variable} is '${value}'; ${remedy}.`);
  });

  it('names the variable also when its default does not go with another one', () => {
    expect(refusal({ CHAT_MAX_CONTENT_BYTES: '200000' })).toMatch(
      /^CHAT_MAX_FRAME_BYTES is 131072; give more than CHAT_MAX_CONTENT_BYTES \(200000\)/,
    );
  });
});
