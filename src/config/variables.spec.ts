import { systemClock } from '../options/clock.js';
import { refusal } from '../../test/support/environment.js';
import { readEnvironment } from './environment.js';

describe('the variables of the options', () => {
  it('set every option of the chat by its name', () => {
    const { chat } = readEnvironment({
      CHAT_SESSIONS: 'multiple',
      CHAT_PERSIST_AFTER_MS: '0',
      CHAT_ACK_WINDOW: '4',
      CHAT_MAX_CONTENT_BYTES: '5',
      CHAT_MAX_META_BYTES: '1',
      CHAT_WAITING_AFTER_MS: '20',
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
      CHAT_SIGNALS_PER_SECOND: '20',
      CHAT_CONNECTIONS_PER_USER: '15',
      CHAT_CONNECTIONS_PER_ADDRESS: '16',
      CHAT_MAX_CONNECTIONS: '17',
      CHAT_HANDSHAKES_PER_SECOND: '18',
      CHAT_HANDSHAKE_MS: '1900',
      CHAT_TRUSTED_PROXIES: 'loopback, 10.0.0.0/8',
      CHAT_ALLOWED_ORIGINS: 'https://a.example,https://b.example',
      CHAT_ALLOWED_HOSTS: 'a.test, b.test',
      CHAT_DRAIN_MS: '1800',
      CHAT_RECORD_MS: '90000',
      CHAT_RECORD_PER_CONVERSATION: '21',
      CHAT_RECORD_CONVERSATIONS_PER_DAY: 'none',
    });
    const { clock, ...set } = chat;
    expect(set).toEqual({
      sessions: 'multiple',
      persistAfterMs: 0,
      ackWindow: 4,
      maxContentBytes: 5,
      maxMetaBytes: 1,
      waitingAfterMs: 20,
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
      signalsPerSecond: 20,
      connectionsPerUser: 15,
      connectionsPerAddress: 16,
      maxConnections: 17,
      handshakesPerSecond: 18,
      handshakeMs: 1900,
      trustedProxies: ['loopback', '10.0.0.0/8'],
      allowedOrigins: ['https://a.example', 'https://b.example'],
      allowedHosts: ['a.test', 'b.test'],
      drainMs: 1800,
      record: { keepMs: 90_000, maxPerConversation: 21, conversationsPerDay: null },
    });
    expect(clock).toBe(systemClock);
    expect(Object.isFrozen(chat)).toBe(true);
  });

  it('take none for no limit', () => {
    const { chat } = readEnvironment({ CHAT_MAX_PENDING_PER_USER: 'none', CHAT_RETENTION_MS: 'none' });
    expect(chat).toMatchObject({ maxPendingPerUser: null, retentionMs: null, maxPendingPerSender: 200 });
  });

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
    [
      'CHAT_RECORD_MS',
      '90d',
      { record: { keepMs: 7_776_000_000, maxPerConversation: 100_000, conversationsPerDay: 100 } },
    ],
    ['CHAT_RECORD_MS', 'none', { record: null }],
    ['CHAT_MAX_STORED_BYTES', '8GiB', { maxStoredBytes: 8_589_934_592 }],
  ])('understand the unit of %s=%s', (variable, value, options) => {
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
    ['CHAT_RECORD_MS', '5s', 'give a whole number of at least 60000'],
    ['CHAT_RECORD_MS', 'ever', 'give a whole number of at least 60000; units are ms, s, m, h, d'],
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
  ])('stop at %s=%s, in their own words', (variable, value, remedy) => {
    expect(refusal({ [variable]: value })).toBe(`${variable} is '${value}'; ${remedy}.`);
  });

  it('say what is missing when the record has limits only', () => {
    expect(refusal({ CHAT_RECORD_PER_CONVERSATION: '5' })).toBe(
      'CHAT_RECORD_PER_CONVERSATION is given, but nothing is recorded; give CHAT_RECORD_MS, such as 90d, or leave it out.',
    );
    const env = { CHAT_RECORD_MS: '90d', CHAT_RECORD_PER_CONVERSATION: '0' };
    expect(refusal(env)).toBe(
      "CHAT_RECORD_PER_CONVERSATION is '0'; give a whole number of at least 1, or none for no limit.",
    );
  });

  it('are named also when a default does not go with another one', () => {
    expect(refusal({ CHAT_MAX_CONTENT_BYTES: '200000' })).toMatch(
      /^CHAT_MAX_FRAME_BYTES is 131072; give more than CHAT_MAX_CONTENT_BYTES \(200000\)/,
    );
  });
});
