import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { ChatError } from '../protocol/chat-error.js';
import { JsonCodec } from './json.codec.js';

const codec = new JsonCodec();

function refusal(frame: string): ChatError {
  try {
    codec.decode(Buffer.from(frame), 'alice');
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error(`it was not refused: ${frame.slice(0, 100)}`);
}

const send = (data: unknown) => JSON.stringify({ event: 'send', data });

const asking = (event: string, request: object, id?: string) => ({ event, id, request });

describe('the JSON protocol reads', () => {
  it.each([
    [send({ to: 'bob', content: 'x' }), { from: 'alice', to: 'bob', content: 'x' }],
    [send({ to: 'bob', content: 'x', id: 'm1' }), { from: 'alice', to: 'bob', content: 'x', id: 'm1' }],
    [
      send({ to: ' cafe\u0301 ', content: ' e\u0301|\r\n\0 ' }),
      { from: 'alice', to: 'caf\u00e9', content: ' e\u0301|\r\n\0 ' },
    ],
    [send({ to: 'bob', content: '' }), { from: 'alice', to: 'bob', content: '' }],
    [
      send({ to: '__proto__', content: 'x', id: '__proto__' }),
      { from: 'alice', to: '__proto__', content: 'x', id: '__proto__' },
    ],
    [
      '{"event":"send","data":{"to":"bob","content":"\\ud83d\\ude42"}}',
      { from: 'alice', to: 'bob', content: '\u{1f642}' },
    ],
    ['{"event":"broadcast","data":{"content":"x"}}', { from: 'alice', content: 'x' }],
    ['{"event":"broadcast","data":{"content":"x","id":"b1"}}', { from: 'alice', content: 'x', id: 'b1' }],
    ['{"event":"ack","data":{"seq":42}}', { seq: 42 }],
    ['{"event":"ack","data":{"seq":0}}', { seq: 0 }],
    [
      '{"event":"signal","data":{"to":" bob ","kind":"composing"}}',
      { event: 'signal', signal: { from: 'alice', to: 'bob', kind: 'composing' } },
    ],
    [
      '{"event":"signal","data":{"to":"bob","kind":"at","data":{ "x": [1e2,null], "__proto__": "\\ud800é" }}}',
      {
        event: 'signal',
        signal: { from: 'alice', to: 'bob', kind: 'at', data: '{"x":[100,null],"__proto__":"\\ud800é"}' },
      },
    ],
    [
      '{"event":"signal","data":{"to":"bob","kind":"at","data":null}}',
      { event: 'signal', signal: { from: 'alice', to: 'bob', kind: 'at', data: 'null' } },
    ],
    ['{"event":"ping","data":{}}', { event: 'ping' }],
    ['{"event":"ping","data":{"token":1,"seq":7}}', { event: 'ping' }],
    ['{"event":"renew","data":{"token":"a.b.c"}}', { event: 'renew', token: 'a.b.c' }],
    [' \r\n{ "data" : {"seq":1}, "event":"ack" } ', { seq: 1 }],
    ['{"event":"history","data":{"id":"h1","with":" bob "}}', asking('history', { with: 'bob', limit: 50 }, 'h1')],
    [
      '{"event":"history","data":{"id":"h1","with":"bob","before":"00000000011","limit":200}}',
      asking('history', { with: 'bob', before: 33, limit: 200 }, 'h1'),
    ],
    ['{"event":"sync","data":{"id":"s1"}}', asking('sync', { limit: 50 }, 's1')],
    ['{"event":"sync","data":{"id":"s1","after":"s10","limit":1}}', asking('sync', { after: 36, limit: 1 }, 's1')],
    // A cursor of somebody else counts as none: its client has to begin anew.
    ['{"event":"sync","data":{"id":"s1","after":"x y"}}', asking('sync', { limit: 50 }, 's1')],
    [
      '{"event":"conversations","data":{"id":"c1","before":"00000000012"}}',
      asking('conversations', { before: 34, limit: 50 }, 'c1'),
    ],
    ['{"event":"read","data":{"with":"bob","upTo":"00000000011","id":7}}', asking('read', { with: 'bob', upTo: 33 })],
  ])('%s', (frame, command) => {
    expect(codec.decode(Buffer.from(frame), 'alice')).toEqual(command);
  });

  it('over fields that it does not know', () => {
    const frame =
      '{"event":"send","v":2,"data":{"to":"bob","from":"eve","content":"x","sentAt":1,"__proto__":{"id":"no"}}}';
    const command = codec.decode(Buffer.from(frame), 'alice');
    expect(command).toEqual({ from: 'alice', to: 'bob', content: 'x' });
    expect(Object.keys(command).sort()).toEqual(['content', 'from', 'id', 'to']);
    expect(codec.decode(Buffer.from('{"event":"ack","data":{"seq":1,"id":7}}'), 'alice')).toEqual({ seq: 1 });
  });

  it('the last of two fields of one name, as JSON.parse does', () => {
    expect(codec.decode(Buffer.from('{"event":"ack","data":{"seq":1,"seq":2}}'), 'alice')).toEqual({ seq: 2 });
  });

  it('nothing from the prototype of objects, and leaves that alone', () => {
    expect(refusal('{"__proto__":{"event":"ack","data":{"seq":1}}}').code).toBe('BAD_FRAME');
    expect(refusal('{"event":"send","data":{"__proto__":{"to":"bob","content":"x"}}}').code).toBe('BAD_FRAME');
    codec.decode(Buffer.from('{"event":"ack","data":{"seq":1,"constructor":{"prototype":{"polluted":1}}}}'), 'alice');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('arrays in arrays, ten thousand deep, without running out of stack', () => {
    const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
    expect(codec.decode(Buffer.from(`{"event":"ack","data":{"seq":1,"x":${deep}}}`), 'alice')).toEqual({ seq: 1 });
    expect(refusal(deep).code).toBe('BAD_FRAME');
    expect(refusal(`{"event":${deep},"data":{}}`).code).toBe('BAD_FRAME');
    expect(refusal(send({ to: 'bob', content: 'x' }).replace('"x"', deep)).code).toBe('BAD_FRAME');
    expect(refusal('{"event":'.repeat(10_000)).code).toBe('BAD_FRAME');
  });
});

describe('the JSON protocol refuses', () => {
  it.each([
    ['', 'an empty frame'],
    ['secret', 'no JSON'],
    ['{"event":"send","data":{"to":"secret"', 'half a frame'],
    ["{'event':'secret'}", 'what only looks like JSON'],
    ['\ufeff{"event":"ack","data":{"seq":1}}', 'a mark of byte order'],
    ['null', 'null'],
    ['"secret"', 'a string'],
    ['42', 'a number'],
    ['[{"event":"ack","data":{"seq":1}}]', 'a list'],
    ['{}', 'no event'],
    ['{"event":"send"}', 'no data'],
    ['{"data":{"to":"bob","content":"secret"}}', 'no event'],
    ['{"event":1,"data":{}}', 'an event that is a number'],
    ['{"event":["send"],"data":{"to":"bob","content":"secret"}}', 'an event that is a list'],
    ['{"event":"send","data":null}', 'data that is null'],
    ['{"event":"send","data":"secret"}', 'data that is a string'],
    ['{"event":"send","data":["bob","secret"]}', 'data that is a list'],
    [send({ content: 'secret' }), 'no recipient'],
    [send({ to: null, content: 'secret' }), 'a recipient that is null'],
    [send({ to: 1, content: 'secret' }), 'a recipient that is a number'],
    [send({ to: ['bob'], content: 'secret' }), 'a recipient that is a list'],
    [send({ to: { $ne: '' }, content: 'secret' }), 'a recipient that is a condition'],
    [send({ to: 'secret' }), 'no content'],
    [send({ to: 'bob', content: null }), 'content that is null'],
    [send({ to: 'bob', content: 1 }), 'content that is a number'],
    [send({ to: 'bob', content: ['secret'] }), 'content that is a list'],
    [send({ to: 'bob', content: { secret: 1 } }), 'content that is an object'],
    [send({ to: 'bob', content: 'secret', id: 1 }), 'an id that is a number'],
    [send({ to: 'bob', content: 'secret', id: null }), 'an id that is null'],
    [send({ to: 'bob', content: 'secret', id: '' }), 'an empty id'],
    [send({ to: 'bob', content: 'secret', id: 'secret one' }), 'an id with a space'],
    [send({ to: 'bob', content: 'secret', id: 's'.repeat(65) }), 'an id of 65'],
    ['{"event":"send","data":{"to":"bob","content":"secret \\ud800"}}', 'half a character at the end'],
    ['{"event":"send","data":{"to":"bob","content":"\\udc00 secret"}}', 'half a character at the beginning'],
    ['{"event":"broadcast","data":{"content":"\\ud800secret"}}', 'half a character in a broadcast'],
    ['{"event":"broadcast","data":{"to":"secret"}}', 'a broadcast without content'],
    ['{"event":"broadcast","data":{"content":"secret","id":1}}', 'a broadcast with an id that is a number'],
    ['{"event":"ping"}', 'a ping without data'],
    ['{"event":"renew","data":{}}', 'no token'],
    ['{"event":"renew","data":{"token":["secret"]}}', 'a token that is a list'],
    ['{"event":"ack","data":{}}', 'no seq'],
    ['{"event":"ack","data":{"seq":"1"}}', 'a seq that is a string'],
    ['{"event":"ack","data":{"seq":-1}}', 'a seq below 0'],
    ['{"event":"ack","data":{"seq":1.5}}', 'a seq that is not whole'],
    ['{"event":"ack","data":{"seq":1e400}}', 'a seq without end'],
    ['{"event":"ack","data":{"seq":9007199254740992}}', 'a seq that is not exact'],
    ['{"event":"ack","data":{"seq":[1]}}', 'a seq that is a list'],
  ])('with BAD_FRAME: %s, %s', (frame) => {
    const error = refusal(frame);
    expect(error).toMatchObject({ code: 'BAD_FRAME', temporary: false });
    expect(codec.exception(error, error.id)).not.toContain('secret');
  });

  it.each(['', 'Send', 'message', '__proto__', 'constructor', 'toString', 'secret'])(
    'with UNKNOWN_EVENT: %j',
    (event) => {
      const error = refusal(JSON.stringify({ event, data: { to: 'bob', content: 'x', id: 'm1' } }));
      expect(error).toMatchObject({ code: 'UNKNOWN_EVENT', id: 'm1' });
      expect(error.message).not.toContain('secret');
    },
  );

  it.each(['', ' ', 'sec|ret', 'sec\u200bret', 'sec\nret', '\ud800', 's'.repeat(129)])(
    'with BAD_RECIPIENT: %j',
    (to) => {
      const error = refusal(send({ to, content: 'x', id: 'm1' }));
      expect(error).toMatchObject({ code: 'BAD_RECIPIENT', temporary: false, id: 'm1' });
      expect(error.message).not.toContain('ret');
    },
  );

  it.each([
    send({ to: 1, content: 'x', id: 'm1' }),
    send({ to: 'bob', content: 1, id: 'm1' }),
    send({ to: 'bob', id: 'm1' }),
    '{"event":"broadcast","data":{"id":"m1"}}',
    '{"event":1,"data":{"id":"m1"}}',
    '{"data":{"id":"m1"}}',
    '{"event":"no","data":{"id":"m1"}}',
  ])('%s with the id that it brought', (frame) => {
    expect(refusal(frame).id).toBe('m1');
  });

  it('whatever comes, with an error of its own or not at all', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('send', 'ack', 'broadcast', 'bob', 1, null));
    const data = fc.record({ to: value, content: value, id: value, seq: value }, { requiredKeys: [] });
    const frame = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.jsonValue().map((each) => JSON.stringify(each)),
      fc.record({ event: value, data: fc.oneof(data, value) }).map((each) => JSON.stringify(each)),
    );
    fc.assert(
      fc.property(frame, (text) => {
        try {
          const read = codec.decode(Buffer.from(text), 'alice');
          expect('seq' in read || 'event' in read || read.from === 'alice').toBe(true);
        } catch (error) {
          if (!(error instanceof ChatError)) throw error;
        }
      }),
      { numRuns: 2_000, seed: SEED },
    );
  });
});

describe('the JSON protocol refuses of what is asked of the record', () => {
  it.each([
    ['history', { with: 'bob' }, '"id"', undefined],
    ['history', { id: 'a b', with: 'bob' }, '"id"', undefined],
    ['history', { id: 'h1' }, '"with" has to be a string', 'h1'],
    ['history', { id: 'h1', with: 'bob', limit: 0 }, '"limit" has to be a whole number from 1 to 200', 'h1'],
    ['history', { id: 'h1', with: 'bob', limit: 201 }, '"limit"', 'h1'],
    ['history', { id: 'h1', with: 'bob', limit: '5' }, '"limit"', 'h1'],
    ['history', { id: 'h1', with: 'bob', before: 'secret' }, '"before" has to be a position', 'h1'],
    [
      'history',
      { id: 'h1', with: 'bob', before: '00000000011', after: '00000000011' },
      '"after" is given beside',
      'h1',
    ],
    ['sync', { after: 's1' }, '"id"', undefined],
    ['sync', { id: 's1', after: 7 }, '"after" has to be a string', 's1'],
    ['conversations', { id: 'c1', before: null }, '"before"', 'c1'],
    ['read', { upTo: '00000000011' }, '"with"', undefined],
    ['read', { with: 'bob' }, '"upTo" has to be a position that the server has given', undefined],
  ])('%s %j', (event, data, sentence, id) => {
    const error = refusal(JSON.stringify({ event, data }));
    expect(error).toMatchObject({ code: 'BAD_FRAME', id });
    expect(error.message).toContain(sentence);
    expect(error.message).not.toContain('secret');
  });

  it('a name that nobody can have', () => {
    expect(refusal('{"event":"history","data":{"id":"h1","with":" "}}')).toMatchObject({
      code: 'BAD_RECIPIENT',
      id: 'h1',
    });
  });
});
