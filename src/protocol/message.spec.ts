import { jest } from '@jest/globals';
import { ChatError, ERROR_CODES } from './chat-error.js';
import { isMessageId, newId, toIsoTime } from './message.js';

describe('a message id', () => {
  it.each(['a', '0', '_', '-', 'AZaz09_-', 'x'.repeat(64), '__proto__', '01a20702-e79a-727f-8aa3-0a0dd1682130'])(
    'of a sender may be %j',
    (id) => {
      expect(isMessageId(id)).toBe(true);
    },
  );

  it.each([
    '',
    'x'.repeat(65),
    'a b',
    'a\n',
    '\na',
    'a.b',
    'a/b',
    "a'",
    'a"',
    '\u00e9',
    '\uff10',
    'a\0',
    null,
    undefined,
    1,
    {},
    ['a'],
  ])('of a sender is never %j', (id) => {
    expect(isMessageId(id)).toBe(false);
  });

  it('of the server is one that a sender could have given, never twice the same, and sorts by time', () => {
    const ids = Array.from({ length: 10_000 }, newId);
    // More ids than a millisecond can number, and then a clock that is set back.
    const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 1_000);
    ids.push(...Array.from({ length: 10_000 }, newId));
    now.mockReturnValue(0);
    ids.push(...Array.from({ length: 10 }, newId));
    now.mockRestore();
    expect(ids.every(isMessageId)).toBe(true);
    expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
      true,
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
  });
});

describe('a time on the wire', () => {
  it('is ISO 8601 in UTC with milliseconds', () => {
    expect(toIsoTime(Date.UTC(2026, 10, 23, 9, 30))).toBe('2026-11-23T09:30:00.000Z');
    expect(toIsoTime(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(toIsoTime(1)).toBe('1970-01-01T00:00:00.001Z');
  });
});

describe('a refusal', () => {
  it('is temporary exactly when the same may succeed later [protocol 5]', () => {
    const temporary = Object.entries(ERROR_CODES).flatMap(([code, entry]) => (entry.temporary ? [code] : []));
    expect(temporary).toEqual([
      'MAILBOX_FULL',
      'SENDER_QUOTA',
      'STORE_FULL',
      'RATE_LIMITED',
      'STORE_UNAVAILABLE',
      'AUTHENTICATION_UNAVAILABLE',
    ]);
    expect(new ChatError('MAILBOX_FULL', 'full', { id: 'm1' })).toMatchObject({ temporary: true, id: 'm1' });
    expect(new ChatError('BAD_FRAME', 'bad')).toMatchObject({ temporary: false, id: undefined });
  });
});
