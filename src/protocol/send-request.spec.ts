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

  it('names the sender when it is the sender that does not fit', () => {
    expect(() => checkName('', 'from')).toThrow(/correct "from"$/);
  });

  it('may have content of exactly the allowed bytes of UTF-8', () => {
    const request = { from: 'alice', content: '\u00e9\u00e9', id: 'm1' };
    expect(checkSize(request, 4)).toBe(4);
    expect(() => checkSize(request, 3)).toThrow(expect.objectContaining({ code: 'CONTENT_TOO_LARGE', id: 'm1' }));
  });
});
