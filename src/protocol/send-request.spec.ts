import { extrasOf } from './message-extras.js';
import { checkBroadcast, checkName, checkSend, checkSize } from './send-request.js';

const valid = { to: 'bob', content: 'x', id: 'm1' };

describe('a request to send', () => {
  it('has its recipient in the only spelling, and nothing that was not asked for', () => {
    const written = { ...valid, to: ' cafe\u0301 ', from: 'eve', more: 1 };
    expect(checkSend(written, 'alice')).toEqual({ ...valid, from: 'alice', to: 'caf\u00e9' });
    expect(checkBroadcast(written, 'alice')).toEqual({ from: 'alice', to: undefined, content: 'x', id: 'm1' });
  });

  it.each([
    [{ id: 'a b' }, 'BAD_FRAME', /^"id" has to be 1 to 64 /, undefined],
    [{ content: '\ud800' }, 'BAD_FRAME', /^"content" has to be a string of whole characters$/, 'm1'],
    [{ to: undefined }, 'BAD_FRAME', /^"to" has to be a string$/, 'm1'],
    [{ to: 'b|b' }, 'BAD_RECIPIENT', /U\+007C; correct "to"$/, 'm1'],
  ])('with %j is refused, naming the field, with the id if that is valid', (wrong, code, message, id) => {
    const refusal = expect.objectContaining({ code, message: expect.stringMatching(message), id });
    expect(() => checkSend({ ...valid, ...wrong }, 'alice')).toThrow(refusal);
  });

  it('has what the sender adds, with the meta as JSON', () => {
    const extras = { meta: { a: '\\ud800', b: ['\u{1f600}'] }, ttl: 0, topic: 'order-7', urgency: 'very-low' };
    const checked = checkSend({ ...valid, ...extras }, 'alice');
    expect(checked).toEqual({ ...valid, from: 'alice', ...extras, metaText: JSON.stringify(extras.meta) });
    expect(checkBroadcast({ ...valid, meta: {} }, 'alice')).toMatchObject({ meta: {}, metaText: '{}' });
  });

  it.each([
    [
      'meta',
      [
        null,
        [],
        'x',
        1,
        { a: '\ud800' },
        { '\udfff': 1 },
        { a: '\\\\\ud800' },
        { a: 1n },
        new Date(),
        cycle(),
        deep(20_000),
      ],
    ],
    ['ttl', [-1, 1.5, '1', null, Infinity, 2 ** 53]],
    ['topic', ['', 'a b', 'x'.repeat(33), 7, null]],
    ['urgency', ['urgent', '', 2, null]],
  ])('is refused with %s that does not fit', (field, values) => {
    for (const value of values) {
      const refusal = expect.objectContaining({
        code: 'BAD_FRAME',
        message: expect.stringMatching(new RegExp(`^"${field}" has to be `)),
        id: 'm1',
      });
      expect(() => checkSend({ ...valid, [field]: value }, 'alice')).toThrow(refusal);
    }
  });

  it.each([{ ttl: 0 }, { topic: 't' }, { urgency: 'normal' }])('is refused as a broadcast with %j', (extra) => {
    const refusal = expect.objectContaining({ code: 'BAD_FRAME', message: expect.stringContaining('never waits') });
    expect(() => checkBroadcast({ ...valid, ...extra }, 'alice')).toThrow(refusal);
  });

  it('expires after its ttl, or after the retention if that is shorter', () => {
    expect(extrasOf({ ttl: 5 }, 1_000, 6_000)).toMatchObject({ expiresAt: 6_000 });
    expect(extrasOf({ ttl: 7 }, 1_000, 6_000)).toMatchObject({ expiresAt: 7_000 });
    const { expiresAt } = extrasOf({ ttl: Number.MAX_SAFE_INTEGER }, Date.now(), null)!;
    expect(new Date(expiresAt!).getFullYear()).toBeGreaterThan(2_100);
    expect(extrasOf({}, 1_000, 6_000)).toBeUndefined();
  });

  it('may have meta of exactly the allowed bytes of UTF-8, which count as content too', () => {
    const request = checkSend({ ...valid, meta: { a: '\u00e9' } }, 'alice'); // 1 and 10 bytes
    const limits = (maxContentBytes: number, maxMetaBytes: number) => ({ maxContentBytes, maxMetaBytes });
    expect(checkSize(request, limits(11, 10))).toBe(11);
    for (const [given, message] of [
      [limits(11, 9), /^the meta has 10 bytes as JSON and may have 9/],
      [limits(11, 0), /takes no meta/],
      [limits(10, 10), /^the content has 11 bytes/],
    ] as const) {
      const refusal = expect.objectContaining({ code: 'CONTENT_TOO_LARGE', message: expect.stringMatching(message) });
      expect(() => checkSize(request, given)).toThrow(refusal);
    }
  });

  it('names the sender when it is the sender that does not fit', () => {
    expect(() => checkName('', 'from')).toThrow(/correct "from"$/);
  });

  it('may have content of exactly the allowed bytes of UTF-8', () => {
    const request = { from: 'alice', content: '\u00e9\u00e9', id: 'm1' };
    expect(checkSize(request, { maxContentBytes: 4, maxMetaBytes: 0 })).toBe(4);
    expect(() => checkSize(request, { maxContentBytes: 3, maxMetaBytes: 0 })).toThrow(
      expect.objectContaining({ code: 'CONTENT_TOO_LARGE', id: 'm1' }),
    );
  });
});

function cycle(): object {
  const meta: Record<string, unknown> = {};
  meta['self'] = meta;
  return meta;
}

/** An object of so many levels, which JSON.stringify cannot write. */
function deep(levels: number): unknown {
  let meta: unknown = {};
  for (let n = 0; n < levels; n += 1) meta = { meta };
  return meta;
}
