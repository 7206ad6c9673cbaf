import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { ChatError } from '../protocol/chat-error.js';
import { JsonCodec } from './json.codec.js';

const codec = new JsonCodec();
const SENT_AT = Date.UTC(2026, 10, 23, 9, 30);
const TIME = '2026-11-23T09:30:00.000Z';

describe('the JSON protocol writes', () => {
  const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: SENT_AT };

  it('a message, live or late', () => {
    expect(codec.message(message, 3, false)).toBe(
      `{"event":"message","data":{"seq":3,"id":"m1","from":"alice","to":"bob","content":"x","sentAt":"${TIME}","stored":false}}`,
    );
    expect(JSON.parse(codec.message(message, 3, true)).data.stored).toBe(true);
  });

  it('every message as JSON that says the same, whatever people write', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.constantFrom('"', '\\', '\u2028', '","to":"eve', '\0\r\n'),
    );
    fc.assert(
      fc.property(text, text, text, (from, to, content) => {
        const { event, data } = JSON.parse(codec.message({ ...message, from, to, content }, 1, true));
        expect(event).toBe('message');
        expect(data).toEqual({ seq: 1, id: 'm1', from, to, content, sentAt: TIME, stored: true });
      }),
      { numRuns: 1_000, seed: SEED },
    );
  });

  it('a broadcast, to everybody and without a seq', () => {
    expect(JSON.parse(codec.broadcast(message))).toEqual({
      event: 'message',
      data: { id: 'm1', from: 'alice', to: '*', content: 'x', sentAt: TIME, stored: false },
    });
  });

  it('receipts in one frame', () => {
    const receipts = [
      { id: 'm1', status: 'delivered', sentAt: SENT_AT },
      { id: 'b1', status: 'broadcast', sentAt: SENT_AT, recipients: 2 },
    ] as const;
    expect(JSON.parse(codec.receipts(receipts))).toEqual({
      event: 'receipts',
      data: [
        { id: 'm1', status: 'delivered', sentAt: TIME },
        { id: 'b1', status: 'broadcast', sentAt: TIME, recipients: 2 },
      ],
    });
  });

  it('where a recorded message stands, in the message and in its receipt', () => {
    const recorded = { ...message, extras: { meta: '{"a":1}', position: 33, origin: 'c1' } };
    const place = { meta: { a: 1 }, position: '00000000011' };
    expect(JSON.parse(codec.message(recorded, 3, false)).data).toEqual({
      ...place,
      ...message,
      seq: 3,
      sentAt: TIME,
      stored: false,
    });
    expect(
      JSON.parse(codec.receipts([{ id: 'm1', status: 'stored', sentAt: SENT_AT, position: '00000000011' }])).data,
    ).toEqual([{ id: 'm1', status: 'stored', sentAt: TIME, position: '00000000011' }]);
    expect(JSON.parse(codec.news({ echo: recorded }, 'alice')).data).toEqual({
      ...place,
      ...message,
      sentAt: TIME,
      stored: false,
      echo: true,
    });
  });

  it('a mark as each side of the conversation sees it', () => {
    const mark = { user: 'bob', with: 'alice', delivered: 34, read: 33 };
    const moved = { user: 'bob', delivered: '00000000012', read: '00000000011' };
    expect(JSON.parse(codec.news({ mark }, 'alice'))).toEqual({ event: 'mark', data: { with: 'bob', ...moved } });
    expect(JSON.parse(codec.news({ mark }, 'bob'))).toEqual({ event: 'mark', data: { with: 'alice', ...moved } });
    const { data } = JSON.parse(codec.news({ mark: { user: 'bob', with: 'bob', read: 33 } }, 'bob'));
    expect(data).toEqual({ with: 'bob', user: 'bob', read: '00000000011' });
  });

  it('the welcome and the end of the backlog', () => {
    const welcome = {
      user: 'alice',
      connectionId: 'c1',
      pending: 5,
      ackWindow: 256,
      maxContentBytes: 65_536,
      maxMetaBytes: 4_096,
      heartbeatMs: 25_000,
      framesPerSecond: 20,
      frameBurst: 60,
      broadcastsPerSecond: null,
      signalsPerSecond: 5,
      recordMs: null,
      serverTime: SENT_AT,
    };
    expect(JSON.parse(codec.welcome(welcome))).toEqual({ event: 'welcome', data: { ...welcome, serverTime: TIME } });
    expect(JSON.parse(codec.caughtUp(5))).toEqual({ event: 'caught-up', data: { delivered: 5 } });
  });

  it('a pong, the ends of stored messages, and when the connection ends now', () => {
    expect(JSON.parse(codec.pong())).toEqual({ event: 'pong', data: {} });
    const endings = [
      { id: 'm1', to: 'a "b"', end: 'delivered' },
      { id: 'm2', to: 'bob', end: 'evicted' },
    ] as const;
    expect(JSON.parse(codec.news({ endings }, 'alice'))).toEqual({ event: 'endings', data: endings });
    expect(JSON.parse(codec.renewed(SENT_AT))).toEqual({ event: 'renewed', data: { expiresAt: TIME } });
    expect(JSON.parse(codec.renewed(null))).toEqual({ event: 'renewed', data: { expiresAt: null } });
    expect(JSON.parse(codec.renewed(1e20)).data.expiresAt).toBe('+275760-09-13T00:00:00.000Z');
  });

  it('an exception with its code, whether it is temporary, and the id if there is one', () => {
    const error = new ChatError('MAILBOX_FULL', 'too many', { cause: new Error('secret') });
    const data = { status: 'error', code: 'MAILBOX_FULL', message: 'too many', temporary: true };
    expect(JSON.parse(codec.exception(error, 'm1'))).toEqual({ event: 'exception', data: { ...data, id: 'm1' } });
    expect(JSON.parse(codec.exception(error, undefined))).toEqual({ event: 'exception', data });
    const quota = new ChatError('SENDER_QUOTA', 'yours', { scope: 'sender' });
    expect(JSON.parse(codec.exception(quota, 'm1')).data).toMatchObject({ code: 'SENDER_QUOTA', scope: 'sender' });
  });
});
