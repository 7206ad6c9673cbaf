import { ChatOptionsError, resolveChatOptions, type ChatOptions } from './chat.options.js';
import { systemClock } from './clock.js';

function refusal(given: unknown): ChatOptionsError {
  try {
    resolveChatOptions(given as Partial<ChatOptions>);
  } catch (error) {
    if (error instanceof ChatOptionsError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('the options of the chat', () => {
  it('have the defaults of the contract [protocol 8]', () => {
    expect({ ...resolveChatOptions() }).toEqual({
      sessions: 'replace',
      persistAfterMs: 250,
      ackWindow: 256,
      maxContentBytes: 65_536,
      maxMetaBytes: 4_096,
      maxFrameBytes: 131_072,
      maxFragments: 64,
      slowBufferBytes: 262_144,
      maxBufferedBytes: 1_048_576,
      heartbeatMs: 25_000,
      maxPendingPerUser: 1_000,
      maxPendingBytesPerUser: 8_388_608,
      maxPendingPerSender: 200,
      maxStoredBytesPerSender: 67_108_864,
      maxStoredBytes: 8_589_934_592,
      overflow: 'reject',
      waitingAfterMs: 10_000,
      retentionMs: 2_592_000_000,
      framesPerSecond: 20,
      frameBurst: 60,
      broadcastsPerSecond: 1,
      signalsPerSecond: 5,
      connectionsPerUser: 10,
      connectionsPerAddress: 50,
      maxConnections: expect.any(Number),
      handshakesPerSecond: null,
      handshakeMs: 10_000,
      trustedProxies: [],
      allowedOrigins: undefined,
      allowedHosts: [],
      drainMs: 5_000,
      record: null,
      clock: systemClock,
    });
  });

  it('take what is given, and the default for what is undefined', () => {
    const clock = { ...systemClock };
    const options = resolveChatOptions({ sessions: 'multiple', ackWindow: undefined as never, clock });
    expect(options).toMatchObject({ sessions: 'multiple', ackWindow: 256 });
    expect(options.clock).toBe(clock);
  });

  it('have defaults for what is left out of a record', () => {
    expect(resolveChatOptions({ record: { keepMs: 60_000 } }).record).toEqual({
      keepMs: 60_000,
      maxPerConversation: 100_000,
      conversationsPerDay: 100,
    });
    const of = () => true;
    const record = { keepMs: 90_000, maxPerConversation: null, conversationsPerDay: null, of };
    expect(resolveChatOptions({ record }).record).toEqual(record);
  });

  it.each([
    [{ keepMs: 59_999 }, 'record.keepMs is 59999; give a whole number of at least 60000.'],
    [{}, 'record.keepMs is undefined; give a whole number of at least 60000.'],
    [
      { keepMs: 60_000, maxPerConversation: 0 },
      'record.maxPerConversation is 0; give a whole number of at least 1, or null for no limit.',
    ],
    [{ keepMs: 60_000, of: true }, 'record.of is true; give a function that returns true or false, or leave it out.'],
    [
      { keepMs: 60_000, days: 3 },
      'record is { keepMs: 60000, days: 3 }; give { keepMs, of, maxPerConversation, conversationsPerDay }, or null to record nothing.',
    ],
    [true, 'record is true; give { keepMs, of, maxPerConversation, conversationsPerDay }, or null to record nothing.'],
  ])('name the part of a record that does not fit: %p', (record, sentence) => {
    expect(refusal({ record }).message).toBe(`ChatModule option ${sentence}`);
  });

  it('name networks and origins that can be read', () => {
    for (const [option, wrong] of [
      ['trustedProxies', ['10.0.0.0/99']],
      ['trustedProxies', ['proxy.example.com']],
      ['trustedProxies', ['10.0.0.1:3128']],
      ['trustedProxies', ['[2001:db8::7]:443']],
      ['trustedProxies', ['loopback', 'fe80::1%eth0']],
      ['trustedProxies', ['10.1']],
      ['trustedProxies', '10.0.0.1'],
      ['allowedOrigins', ['app.example.com']],
      ['allowedOrigins', ['https://app.example.com/']],
      ['allowedOrigins', [1]],
      ['allowedHosts', ['chat.test:3000']],
      ['allowedHosts', ['http://chat.test']],
      ['allowedHosts', ['Chat.test']],
      ['allowedHosts', ['user@chat.test']],
      ['allowedHosts', null],
    ]) {
      expect(() => resolveChatOptions({ [option as string]: wrong })).toThrow(
        new RegExp(`^ChatModule option ${option as string} is .*; give a list of `),
      );
    }
  });

  it('cannot be changed afterwards, by the giver or by a reader', () => {
    const given = { ackWindow: 8 };
    const options = resolveChatOptions(given);
    given.ackWindow = 9;
    expect(options.ackWindow).toBe(8);
    expect(() => Object.assign(options, { ackWindow: 10 })).toThrow(TypeError);
    expect(resolveChatOptions().ackWindow).toBe(256);
  });

  it.each([
    ['sessions', 'one', "is 'one'", "give 'replace' or 'multiple'"],
    ['sessions', null, 'is null', "give 'replace' or 'multiple'"],
    ['overflow', 'drop', "is 'drop'", "give 'reject' or 'evict-oldest'"],
    ['drainMs', 99, 'is 99', 'give a whole number from 100 to 600000'],
    ['waitingAfterMs', 86_400_001, 'is 86400001', 'give a whole number from 0 to 86400000'],
    ['persistAfterMs', -1, 'is -1', 'give a whole number from 0 to 60000'],
    ['persistAfterMs', 60_001, 'is 60001', 'give a whole number from 0 to 60000'],
    ['persistAfterMs', Number.NaN, 'is NaN', 'give a whole number from 0 to 60000'],
    ['ackWindow', 1, 'is 1', 'give a whole number from 2 to 4096'],
    ['ackWindow', 4_097, 'is 4097', 'give a whole number from 2 to 4096'],
    ['ackWindow', 2.5, 'is 2.5', 'give a whole number from 2 to 4096'],
    ['ackWindow', '256', "is '256'", 'give a whole number from 2 to 4096'],
    ['ackWindow', 256n, 'is 256n', 'give a whole number from 2 to 4096'],
    ['ackWindow', {}, 'is {}', 'give a whole number from 2 to 4096'],
    ['maxContentBytes', 0, 'is 0', 'give a whole number from 1 to 16777216'],
    ['maxContentBytes', 16_777_217, 'is 16777217', 'give a whole number from 1 to 16777216'],
    ['maxFrameBytes', 33_554_433, 'is 33554433', 'give a whole number from 2 to 33554432'],
    ['maxFragments', 0, 'is 0', 'give a whole number from 1 to 16384'],
    ['maxFragments', 16_385, 'is 16385', 'give a whole number from 1 to 16384'],
    ['maxFragments', null, 'is null', 'give a whole number from 1 to 16384'],
    ['slowBufferBytes', 1_023, 'is 1023', 'give a whole number of at least 1024'],
    ['maxBufferedBytes', 1_024, 'is 1024', 'give a whole number of at least 1025'],
    ['heartbeatMs', 999, 'is 999', 'give a whole number from 1000 to 600000'],
    ['heartbeatMs', 600_001, 'is 600001', 'give a whole number from 1000 to 600000'],
    ['maxPendingPerUser', 0, 'is 0', 'give a whole number of at least 1, or null for no limit'],
    ['maxPendingPerUser', Infinity, 'is Infinity', 'give a whole number of at least 1, or null for no limit'],
    ['maxPendingBytesPerUser', -5, 'is -5', 'give a whole number of at least 1, or null for no limit'],
    ['maxPendingPerSender', false, 'is false', 'give a whole number of at least 1, or null for no limit'],
    ['maxStoredBytesPerSender', 0, 'is 0', 'give a whole number of at least 1, or null for no limit'],
    ['maxStoredBytes', '9', "is '9'", 'give a whole number of at least 1, or null for no limit'],
    ['retentionMs', 999, 'is 999', 'give a whole number of at least 1000, or null for no limit'],
    ['handshakesPerSecond', 0, 'is 0', 'give a whole number of at least 1, or null for no limit'],
    ['clock', null, 'is null', 'give a Clock with now(), monotonic() and after()'],
    ['clock', { now: Date.now }, 'is { now: [Function: now] }', 'give a Clock with now(), monotonic() and after()'],
  ])('stop the start when %s is %p, with a sentence', (option, value, problem, remedy) => {
    const error = refusal({ [option]: value });
    expect(error.message).toBe(`ChatModule option ${option} ${problem}; ${remedy}.`);
    expect(error).toMatchObject({ name: 'ChatOptionsError', option, problem, remedy });
  });

  it.each([
    ['waitingAfterMs', 0],
    ['persistAfterMs', 0],
    ['persistAfterMs', 60_000],
    ['ackWindow', 2],
    ['ackWindow', 4_096],
    ['maxContentBytes', 1],
    ['maxFrameBytes', 33_554_432],
    ['maxFragments', 1],
    ['maxFragments', 16_384],
    ['slowBufferBytes', 1_024],
    ['maxBufferedBytes', 262_145],
    ['heartbeatMs', 1_000],
    ['heartbeatMs', 600_000],
    ['maxPendingPerUser', 1],
    ['maxPendingPerUser', null],
    ['maxPendingBytesPerUser', 65_536],
    ['maxPendingBytesPerUser', null],
    ['maxPendingPerSender', null],
    ['maxStoredBytesPerSender', 65_792],
    ['maxStoredBytesPerSender', null],
    ['maxStoredBytes', 67_108_864],
    ['maxStoredBytes', null],
    ['retentionMs', 1_000],
    ['retentionMs', null],
    ['overflow', 'evict-oldest'],
  ])('take %s: %p', (option, value) => {
    expect(resolveChatOptions({ [option]: value })).toMatchObject({ [option]: value });
  });

  it.each(['ackwindow', 'path', '__proto__', 'constructor', 'toString'])(
    'know no option %s, and say which they know',
    (name) => {
      const { message } = refusal(JSON.parse(`{"${name}":1}`));
      expect(message).toMatch(new RegExp(`^ChatModule option ${name} is not known; known are sessions, .*, clock\\.$`));
    },
  );

  it('refuse a frame limit that does not hold the longest content', () => {
    expect(refusal({ maxFrameBytes: 65_536 }).message).toBe(
      'ChatModule option maxFrameBytes is 65536; give more than maxContentBytes (65536), as a frame holds the content and its envelope.',
    );
    expect(refusal({ maxContentBytes: 200_000 }).option).toBe('maxFrameBytes');
    expect(resolveChatOptions({ maxFrameBytes: 65_537 }).maxFrameBytes).toBe(65_537);
  });

  it('refuse to close a connection before it is ever paused', () => {
    expect(refusal({ maxBufferedBytes: 262_144 }).message).toBe(
      'ChatModule option maxBufferedBytes is 262144; give more than slowBufferBytes (262144), otherwise a connection would be closed before it is ever paused.',
    );
    expect(refusal({ slowBufferBytes: 2_000_000 }).option).toBe('maxBufferedBytes');
  });

  it('refuse a mailbox that the longest content does not fit into', () => {
    expect(refusal({ maxPendingBytesPerUser: 65_535 }).message).toBe(
      'ChatModule option maxPendingBytesPerUser is 65535; give at least maxContentBytes (65536), otherwise the longest message could never wait.',
    );
  });

  it('refuse room of a sender, or of all, that the longest message does not fit into', () => {
    for (const option of ['maxStoredBytesPerSender', 'maxStoredBytes'] as const) {
      expect(refusal({ maxStoredBytesPerSender: null, [option]: 65_791 }).message).toBe(
        `ChatModule option ${option} is 65791; give at least 65792, which is maxContentBytes and 256, otherwise the longest message could never wait.`,
      );
    }
  });

  it('refuse a store that one sender could fill', () => {
    expect(refusal({ maxStoredBytes: 67_108_863 }).message).toBe(
      'ChatModule option maxStoredBytes is 67108863; give at least maxStoredBytesPerSender (67108864), or lower that; otherwise one sender could fill the store.',
    );
    resolveChatOptions({ maxStoredBytes: 65_792, maxStoredBytesPerSender: 65_792 });
    resolveChatOptions({ maxStoredBytes: 65_792, maxStoredBytesPerSender: null });
  });

  it('never fill the log with a value that is long', () => {
    expect(refusal({ sessions: 'x'.repeat(10_000) }).message.length).toBeLessThan(300);
  });
});
