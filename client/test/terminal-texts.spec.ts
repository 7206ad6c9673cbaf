import type { ReceivedMessage, StateChange } from '../src/api.js';
import { parseLine } from '../src/terminal/line.js';
import { failureText, messageText, promptText, receiptText, timeOf, visible } from '../src/terminal/texts.js';

describe('a line', () => {
  it.each([
    ['bob|hi', { kind: 'send', to: 'bob', content: 'hi' }],
    [' bob |ps | grep x ', { kind: 'send', to: 'bob', content: 'ps | grep x ' }],
    ['bob|', { kind: 'send', to: 'bob', content: '' }],
    ['|and this', { kind: 'send', to: 'carol', content: 'and this' }],
    ['hello', { kind: 'broadcast', content: 'hello' }],
    ['/etc/x|hi', { kind: 'send', to: '/etc/x', content: 'hi' }],
    ['/help', { kind: 'help' }],
    ['/quit ', { kind: 'quit' }],
    ['  ', { kind: 'nothing' }],
  ])('that is typed means what the text protocol means, or a command: %j', (line, expected) => {
    expect(parseLine(line, 'carol', true)).toEqual(expected);
  });

  it.each([
    ['|hello', 'there is no last recipient yet; write NAME|TEXT'],
    ['/quiet', 'there is no such command; /help lists them'],
  ])('that is a mistake says what to write: %j', (line, why) => {
    expect(parseLine(line, null, true)).toEqual({ kind: 'mistake', why });
  });

  it.each(['/quit', '', ' '])('of a pipe is no command, and is sent as it is: %j', (line) => {
    expect(parseLine(line, null, false)).toEqual({ kind: 'broadcast', content: line });
  });
});

describe('what a terminal shows', () => {
  it.each([
    ['the colour of text', '\u001b[31mred', '␛[31mred'],
    ['the clipboard (OSC 52)', '\u001b]52;c;aGk=\u0007', '␛]52;c;aGk=␇'],
    ['the same in one character (C1)', '\u009d52;c;aGk=\u009c', '<U+009D>52;c;aGk=<U+009C>'],
    ['the beginning of the line', 'me\rbob: pay him', 'me␍bob: pay him'],
    ['the line above', '\u001b[1A\u001b[2K', '␛[1A␛[2K'],
    ['what was written before', 'ab\b\b', 'ab␈␈'],
    ['the direction of text', '\u202eevil\u2066x\u2069\u200f', '<U+202E>evil<U+2066>x<U+2069><U+200F>'],
    ['nothing, as nobody sees it', 'a\u00ad\ufeff\u2060b\u{e0041}', 'a<U+00AD><U+FEFF><U+2060>b<U+E0041>'],
    ['the line', 'a\nb\r\nc\u2028d\u2029e\u0085f', 'a␊b␊c<U+2028>d<U+2029>e<U+0085>f'],
    ['the bytes, as half a character', 'a\ud800b', 'a<U+D800>b'],
    ['DEL and NUL', '\u007f\u0000', '␡␀'],
  ])('is never a command that changes %s', (_what, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('leaves alone what languages and emoji need', () => {
    const texts = 'سلام علی\u200cرضا שלום क्\u200dष 👩‍👩‍👧 ❤️ é  日本';
    expect(visible(texts)).toBe(texts);
  });

  it('says from whom to whom, and what came again', () => {
    const message: ReceivedMessage = {
      id: 'a',
      from: 'alice',
      to: 'bob',
      content: 'hi: you',
      sentAt: '',
      stored: true,
      redelivered: false,
    };
    expect(messageText(message, '09:30')).toBe('09:30 alice: hi: you');
    expect(messageText({ ...message, to: '*' }, '09:30')).toBe('09:30 alice to all: hi: you');
    expect(messageText({ ...message, redelivered: true }, '09:30')).toBe('09:30 alice (again): hi: you');
  });

  it('has the date with the time, unless that is today', () => {
    const at = new Date(2026, 10, 3, 9, 5);
    expect(timeOf(at.toISOString(), new Date(2026, 10, 3, 23, 59))).toBe('09:05');
    expect(timeOf(at.toISOString(), new Date(2026, 10, 4, 0, 1))).toBe('2026-11-03 09:05');
    expect(timeOf('\u001b[2J', at)).toBe('\u001b[2J');
  });

  const written = { id: 'a', to: 'bob', content: 'see you', at: 0 };

  it.each([
    ['delivered', '✓✓ bob: see you'],
    ['stored', '✓ bob: see you (stored: waits for them)'],
    ['expired', '✗ bob: see you (expired before they came)'],
    ['purged', '✗ bob: see you (removed by an administrator)'],
    ['evicted', '✗ bob: see you (pushed out of a full mailbox)'],
  ] as const)('has a mark for each thing that becomes of a message: %s', (status, text) => {
    expect(receiptText({ id: 'a', to: 'bob', status }, written)).toBe(text);
  });

  it('says of a broadcast how many connections got it, and of a refused message why', () => {
    expect(receiptText({ id: 'a', to: null, status: 'broadcast', recipients: 3 }, { ...written, to: null })).toBe(
      '✓ all: see you (connections: 3)',
    );
    const refused = { id: 'a', to: 'bob', status: 'refused', code: 'MAILBOX_FULL', message: 'bob is away' } as const;
    expect(receiptText(refused, written)).toBe('✗ bob: see you (refused: MAILBOX_FULL: bob is away)');
    expect(receiptText({ id: 'x', to: 'bob', status: 'delivered' }, null)).toBe('✓✓ bob: an earlier message');
  });

  it('repeats the beginning of a long message, without half a character', () => {
    const text = receiptText({ id: 'a', to: 'bob', status: 'delivered' }, { ...written, content: '👍'.repeat(100) });
    expect(text).toBe(`✓✓ bob: ${'👍'.repeat(60)}…`);
  });

  const state = (change: Partial<StateChange>): StateChange => ({
    state: 'waiting',
    why: 'the reason',
    code: null,
    retryAt: null,
    ...change,
  });

  it.each([
    [state({}), 'there is no server at ws://a/chat'],
    [state({ code: 401 }), 'ws://a/chat refuses the connection: the reason (401)'],
    [state({ code: 4403, state: 'stopped' }), 'ws://a/chat: the reason'],
    [state({ code: null, state: 'stopped' }), 'ws://a/chat: the reason'],
  ])('says why there is no connection', (change, text) => {
    expect(failureText(change, 'ws://a/chat')).toBe(text);
  });

  it.each([
    [state({ state: 'online' }), 0, 'alice> '],
    [state({ state: 'connecting' }), 2, 'alice (connecting, to send: 2)> '],
    [state({ retryAt: 12_001 }), 0, 'alice (offline, next try in 3 s)> '],
    [state({ retryAt: 9_000 }), 1, 'alice (connecting, to send: 1)> '],
  ])('has how things are in the prompt', (change, waiting, prompt) => {
    expect(promptText(change, 'alice', waiting, 10_000)).toBe(prompt);
  });
});
