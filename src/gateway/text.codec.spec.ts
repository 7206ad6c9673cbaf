import { ChatError } from '../protocol/chat-error.js';
import { TextCodec } from './text.codec.js';

const MESSAGE = { id: 'm1', from: 'alice', to: 'bob', content: 'a|b\r\n:c', sentAt: Date.UTC(2026, 10, 23, 9, 30) };

function catchChatError(decode: () => unknown): ChatError {
  try {
    decode();
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('the text protocol reads', () => {
  it.each([
    ['bob|hello', 'bob', 'hello', 'a direct message'],
    ['a|b|c', 'a', 'b|c', 'only the first bar as the delimiter'],
    ['bob|ps | grep x', 'bob', 'ps | grep x', 'only the first bar as the delimiter'],
    ['bob||', 'bob', '|', 'only the first bar as the delimiter'],
    ['bob|', 'bob', '', 'empty content'],
    [' bob |x', 'bob', 'x', 'the name without the space around it'],
    ['bob|  x\t', 'bob', '  x\t', 'the content with the space around it'],
    ['bob|one\r\ntwo\n', 'bob', 'one\r\ntwo\n', 'line ends as they are'],
    ['bob|a\0b', 'bob', 'a\0b', 'NUL as it is'],
    ['bob|cafe\u0301', 'bob', 'cafe\u0301', 'the content without composing it'],
    ['cafe\u0301|x', 'caf\u00e9', 'x', 'the name composed'],
    ['Bob|x', 'Bob', 'x', 'the case of the name'],
    ['\ufeffbob|\ufeffx', 'bob', '\ufeffx', 'a mark of byte order as content only'],
    ['\u{1f642}|\u{1f468}\u200d\u{1f469}', '\u{1f642}', '\u{1f468}\u200d\u{1f469}', 'emoji'],
    ['__proto__|x', '__proto__', 'x', 'the name of a property'],
    ['hello', undefined, 'hello', 'text without a bar as a broadcast'],
    ['', undefined, '', 'an empty frame as an empty broadcast'],
    [' hello\r\n', undefined, ' hello\r\n', 'a broadcast as it is'],
    ['\ufeffhello', undefined, '\ufeffhello', 'a broadcast with its mark of byte order'],
    ['{"event":"send"}', undefined, '{"event":"send"}', 'JSON as a broadcast'],
    ['\uff5chello', undefined, '\uff5chello', 'no other bar as the delimiter'],
  ])('%j to %j as %j: %s', (frame, to, content, _what) => {
    expect(new TextCodec().decode(Buffer.from(frame), 'alice')).toEqual({ from: 'alice', to, content });
  });

  it.each([
    ['|', 'NO_RECIPIENT', 'a lone bar as a message to nobody yet'],
    ['||', 'NO_RECIPIENT', 'two bars as a message to nobody yet'],
    ['|hello', 'NO_RECIPIENT', 'a message to nobody yet'],
    [' \t|hello', 'NO_RECIPIENT', 'a blank name as none'],
    ['b\u200bob|hello', 'BAD_RECIPIENT', 'no name with an invisible character'],
    ['b\nob|hello', 'BAD_RECIPIENT', 'no name with a line feed'],
    [`${'x'.repeat(129)}|hello`, 'BAD_RECIPIENT', 'no name of 129 bytes'],
  ])('%j with %s: %s', (frame, code, _what) => {
    expect(catchChatError(() => new TextCodec().decode(Buffer.from(frame), 'alice'))).toMatchObject({
      code,
      temporary: false,
    });
  });

  it('`|content` for the last one it has sent to', () => {
    const codec = new TextCodec();
    expect(codec.decode(Buffer.from('bob|1'), 'alice')).toMatchObject({ to: 'bob' });
    expect(codec.decode(Buffer.from('to everybody'), 'alice')).toMatchObject({ to: undefined });
    expect(codec.decode(Buffer.from('|2'), 'alice')).toEqual({ from: 'alice', to: 'bob', content: '2' });
    expect(codec.decode(Buffer.from(' | 3|4'), 'alice')).toEqual({ from: 'alice', to: 'bob', content: ' 3|4' });
    expect(codec.decode(Buffer.from('|'), 'alice')).toEqual({ from: 'alice', to: 'bob', content: '' });
    expect(codec.decode(Buffer.from(' carol|5'), 'alice')).toMatchObject({ to: 'carol' });
    expect(codec.decode(Buffer.from('|6'), 'alice')).toEqual({ from: 'alice', to: 'carol', content: '6' });
  });

  it('`|content` for the last one of this connection only', () => {
    new TextCodec().decode(Buffer.from('bob|1'), 'alice');
    expect(catchChatError(() => new TextCodec().decode(Buffer.from('|2'), 'alice')).code).toBe('NO_RECIPIENT');
  });
});

describe('the text protocol writes', () => {
  const codec = new TextCodec();

  it('the content alone when it is live, and the time before it when it had to wait', () => {
    expect(codec.message(MESSAGE, 7, false)).toBe('a|b\r\n:c');
    expect(codec.message(MESSAGE, 7, true)).toBe('2026-11-23T09:30:00.000Z:a|b\r\n:c');
    expect(codec.message({ ...MESSAGE, content: '' }, 7, true)).toBe('2026-11-23T09:30:00.000Z:');
    expect(codec.broadcast(MESSAGE)).toBe('a|b\r\n:c');
  });

  it('of a refusal the code, what happened and what to do, and nothing that came', () => {
    for (const [frame, code] of [
      ['|secret', 'NO_RECIPIENT'],
      ['sec\u200bret|secret', 'BAD_RECIPIENT'],
    ] as const) {
      const refusal = catchChatError(() => codec.decode(Buffer.from(frame), 'alice'));
      expect(codec.exception(refusal)).toMatch(new RegExp(`^error: ${code}: .{20,}; .{10,}`));
      expect(codec.exception(refusal)).not.toMatch(/sec|ret/);
    }
  });

  it('nothing that only the JSON protocol has', () => {
    expect([codec.welcome(), codec.receipts(), codec.caughtUp()]).toEqual([null, null, null]);
  });
});
