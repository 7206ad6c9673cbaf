import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { ChatError } from '../protocol/chat-error.js';
import { scanFrame } from './frame-scanner.js';
import { JsonCodec } from './json.codec.js';

const scan = (text: string) => scanFrame(Buffer.from(text));

/** What JSON.parse makes of it; undefined if it is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the server makes of it: the request, or the refusal. */
function decoded(text: string): unknown {
  try {
    return new JsonCodec().decode(Buffer.from(text), 'alice');
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    const { code, message, id } = error;
    return { code, message, id };
  }
}

/** Parts of which frames that are nearly right are made. */
const PARTS = (
  '{"event":"ack","data":{"seq": {"event":"send","data":{ "id":" "to":" "content":" "seq": "x": { } }} " "}} ","to":" ' +
  '","content":" , : [ ] \\ \\" \\u0041 \\n \0 \u001f \u007f \ud800 \ud83d\ude42 é bob __proto__ 0 1 -0 00 01 -1 1.0 ' +
  '1e3 1e400 999999999999999 9007199254740993 null true'
)
  .split(' ')
  .concat(' ', '\t', '\n', '\u2028', '\ufeff');
const part = fc.constantFrom(...PARTS);
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(part, { maxLength: 3 }).map((parts) => parts.join('')),
);
const field = fc.tuple(fc.constantFrom('id', 'to', 'content', 'seq', 'x'), text);

/** Frames as JSON.stringify writes them, and frames in which something was not escaped or stands twice. */
const written = fc.oneof(
  fc.maxSafeNat().map((seq) => JSON.stringify({ event: 'ack', data: { seq } })),
  fc
    .array(field, { maxLength: 5 })
    .map((fields) => JSON.stringify({ event: 'send', data: Object.fromEntries(fields) })),
  fc
    .array(field, { maxLength: 5 })
    .map((fields) => `{"event":"send","data":{${fields.map(([name, value]) => `"${name}":"${value}"`).join()}}}`),
  part.map((seq) => `{"event":"ack","data":{"seq":${seq}}}`),
  fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
);
const change = fc.record({ at: fc.nat(), removed: fc.nat({ max: 2 }), added: fc.oneof(fc.constant(''), part) });

/** The same frames, changed in a few places. */
const frame = fc.tuple(written, fc.array(change, { maxLength: 3 })).map(([start, changes]) =>
  changes.reduce((all, { at, removed, added }) => {
    const place = at % (all.length + 1);
    return all.slice(0, place) + added + all.slice(place + removed);
  }, start),
);

describe('a scanned frame', () => {
  it('says what JSON.parse says, and everything that JSON.parse refuses is left to it', () => {
    fc.assert(
      fc.property(frame, (changed) => {
        // A frame comes as UTF-8, which has no half characters.
        const bytes = Buffer.from(changed);
        const expected = parsed(bytes.toString());
        expect(scanFrame(bytes) ?? expected).toEqual(expected);
      }),
      { numRuns: 20_000, seed: SEED },
    );
  });

  it('is accepted or refused like the same frame with a blank behind it, which JSON.parse reads', () => {
    fc.assert(
      fc.property(frame, (changed) => {
        expect(scan(`${changed} `)).toBeNull();
        expect(decoded(changed)).toEqual(decoded(`${changed} `));
      }),
      { numRuns: 5_000, seed: SEED },
    );
  });

  it('is any ack, and any message of plain strings, as JSON.stringify writes it', () => {
    const plain = fc.string({ unit: 'grapheme', maxLength: 50 }).filter((each) => !/["\\\p{Cc}]/u.test(each));
    const data = fc.record({ id: plain, to: plain, content: plain }, { requiredKeys: ['to'] });
    const known = fc.oneof(
      fc.record({ event: fc.constant('ack'), data: fc.record({ seq: fc.nat({ max: 2 ** 31 - 1 }) }) }),
      fc.record({ event: fc.constant('send'), data }),
    );
    fc.assert(
      fc.property(known, (each) => {
        const json = JSON.stringify(each);
        fc.pre(Buffer.byteLength(json) <= 200);
        expect(scan(json)).toEqual(each);
      }),
      { numRuns: 2_000, seed: SEED },
    );
  });

  it('has its fields in any order, and the last of two with one name', () => {
    const data = { id: 'm1', to: 'bob', content: 'é\u{1f642}' };
    expect(scan('{"event":"send","data":{"content":"é\u{1f642}","id":"m1","to":"bob"}}')).toEqual({
      event: 'send',
      data,
    });
    expect(scan('{"event":"send","data":{"to":"eve","content":"x","to":"bob","content":""}}')).toEqual({
      event: 'send',
      data: { to: 'bob', content: '' },
    });
  });
});

describe('JSON.parse reads', () => {
  it.each([
    ['an empty frame', ''],
    ['half an ack', '{"event":"ack","data":{"seq":'],
    ['an ack without a number', '{"event":"ack","data":{"seq":}}'],
    ['a zero before a number', '{"event":"ack","data":{"seq":01}}'],
    ['a zero below zero', '{"event":"ack","data":{"seq":-0}}'],
    ['a number with an exponent', '{"event":"ack","data":{"seq":1e3}}'],
    ['a number that is not exact', '{"event":"ack","data":{"seq":9007199254740993}}'],
    ['an ack with two numbers', '{"event":"ack","data":{"seq":1,"seq":2}}'],
    ['an ack with a byte behind it', '{"event":"ack","data":{"seq":1}}\0'],
    ['an ack with a brace too many', '{"event":"ack","data":{"seq":1}}}'],
    ['an ack with a blank', '{"event":"ack", "data":{"seq":1}}'],
    ['a message without fields', '{"event":"send","data":{}}'],
    ['a message with another field', '{"event":"send","data":{"to":"a","__proto__":"b"}}'],
    ['a comma before the end', '{"event":"send","data":{"to":"a",}}'],
    ['a field outside of the data', '{"event":"send","data":{"to":"a"},"to":"b"}'],
    ['a field that is a number', '{"event":"send","data":{"to":1}}'],
    ['an escape', '{"event":"send","data":{"to":"a\\u0062"}}'],
    ['a raw control character', '{"event":"send","data":{"to":"a\tb"}}'],
    ['a string that does not end', '{"event":"send","data":{"to":"a}}'],
    ['a long message', `{"event":"send","data":{"content":"${'x'.repeat(512)}"}}`],
  ])('%s', (_, json) => {
    expect(scan(json)).toBeNull();
  });
});
