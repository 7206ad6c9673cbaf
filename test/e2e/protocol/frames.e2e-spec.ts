import { ChatApp } from '../../support/chat-app.js';
import { withDeadline } from '../../support/deadline.js';
import { RawClient } from '../../support/raw-client.js';
import { closePayload, rawFrame, type FrameParts } from '../../support/raw-frames.js';
import type { TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;
const NAMES: Readonly<Record<number, string>> = {
  0: 'continuation',
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};
const RESERVED = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
const MAX_FRAME = 131_072;
const MAX_CONTENT = 65_536;

/**
 * The outcome of some bytes: the answers to the peer until the end of the case or of the connection, and what bob gets.
 */
interface Outcome {
  readonly answers?: readonly string[];
  readonly bob?: readonly string[];
}

/** A name, the segments, and their outcome. A number is the code of a close without anything else. */
type Case = readonly [what: string, segments: readonly Buffer[], outcome: Outcome | number];

const text = (payload: Buffer | string, parts: FrameParts = {}) => rawFrame({ payload, ...parts });
const start = (payload: Buffer | string = 'bob|', opcode: number = TEXT) => rawFrame({ opcode, payload, fin: false });
const more = (payload: Buffer | string) => rawFrame({ opcode: CONTINUATION, payload, fin: false });
const last = (payload: Buffer | string = 'x') => rawFrame({ opcode: CONTINUATION, payload });
const control = (opcode: number, payload: Buffer | string = '', parts: FrameParts = {}) =>
  rawFrame({ opcode, payload, ...parts });
const closeFrame = (code: number, reason: Buffer | string = '') => control(CLOSE, closePayload(code, reason));
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const toBob = (content: Buffer) => Buffer.concat([Buffer.from('bob|'), content]);
const brief = (content: string) => (content.length > 200 ? `${Buffer.byteLength(content)} bytes` : content);
const pongOf = (payload: Buffer | string) => `pong ${Buffer.from(payload).toString('hex')}`;
/** An empty payload for opcodes that have to be whole, and a close code where one belongs. */
const payloadFor = (opcode: number) => (opcode === CLOSE ? closePayload(1000) : 'bob|x');
/** A continuation needs a fragment before it. */
const before = (opcode: number) => (opcode === CONTINUATION ? [start()] : []);

const unmasked: Case[] = [TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG].flatMap((opcode): Case[] =>
  [payloadFor(opcode), '', Buffer.alloc(opcode >= CLOSE ? 125 : 65_536, 'x')].map((payload) => [
    `${NAMES[opcode]} of ${payload.length} bytes`,
    [...before(opcode), rawFrame({ opcode, payload, mask: null })],
    1002,
  ]),
);

const reservedBits: Case[] = [TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG].flatMap((opcode): Case[] =>
  [1, 2, 3, 4, 5, 6, 7].map((rsv) => [
    `${rsv.toString(2).padStart(3, '0')} on ${NAMES[opcode]}`,
    [...before(opcode), rawFrame({ opcode, rsv, payload: payloadFor(opcode) })],
    1002,
  ]),
);

const reservedOpcodes: Case[] = RESERVED.flatMap((opcode): Case[] => {
  const name = opcode.toString(16).toUpperCase();
  return [
    [`${name}, whole`, [rawFrame({ opcode, payload: 'bob|x' })], 1002],
    [`${name}, empty and not final`, [rawFrame({ opcode, fin: false })], 1002],
    [`${name}, inside a message`, [start(), rawFrame({ opcode, payload: 'x' }), last()], 1002],
  ];
});

const controls: Case[] = [CLOSE, PING, PONG].flatMap((opcode): Case[] => {
  const name = NAMES[opcode]!;
  const long = Buffer.concat([closePayload(1000), Buffer.alloc(124, 'x')]);
  return [
    [`a ${name} in fragments`, [control(opcode, payloadFor(opcode), { fin: false })], 1002],
    [`a ${name} in fragments inside a message`, [start(), control(opcode, '', { fin: false }), last()], 1002],
    [`a ${name} of 126 bytes`, [control(opcode, long)], 1002],
    [`a ${name} of 126 bytes inside a message`, [start(), control(opcode, long), last()], 1002],
    [`a ${name} of 65,536 bytes`, [control(opcode, Buffer.alloc(65_536))], 1002],
    [`a ${name} of 2 bytes with its length in 2`, [control(opcode, 'ab', { lengthBytes: 2 })], 1002],
  ];
});

const order: Case[] = [
  ['a continuation without a start', [last('bob|x')], 1002],
  ['a continuation without a start that is not final', [more('bob|x')], 1002],
  ['an empty continuation without a start', [last('')], 1002],
  ['a continuation after a whole message', [text('bob|whole'), last()], { answers: ['close 1002'], bob: ['whole'] }],
  [
    'a continuation after a message in fragments',
    [start(), last('1'), last('2')],
    { answers: ['close 1002'], bob: ['1'] },
  ],
  ['a continuation after a ping', [control(PING), last()], { answers: ['pong ', 'close 1002'] }],
  ...[TEXT, BINARY].flatMap((first): Case[] =>
    [TEXT, BINARY].flatMap((second): Case[] =>
      [true, false].map((fin) => [
        `${NAMES[second]}${fin ? '' : ' that is not final'} inside ${NAMES[first]}`,
        [start('bob|', first), rawFrame({ opcode: second, fin, payload: 'bob|x' }), last()],
        1002,
      ]),
    ),
  ),
];

const BAD_UTF8: readonly (readonly [string, string])[] = [
  ['a lone continuation byte', '80'],
  ['the last continuation byte', 'bf'],
  ['a start of two without the second', 'c3'],
  ['a start of two before a letter', 'c3 41'],
  ['a start of three cut off', 'e2 82'],
  ['a start of four cut off', 'f0 9f 99'],
  ['the slash in two bytes', 'c0 af'],
  ['the slash in three bytes', 'e0 80 af'],
  ['the slash in four bytes', 'f0 80 80 af'],
  ['NUL in two bytes', 'c0 80'],
  ['the longest that needs fewer bytes, of two', 'c1 bf'],
  ['the longest that needs fewer bytes, of three', 'e0 9f bf'],
  ['the longest that needs fewer bytes, of four', 'f0 8f bf bf'],
  ['the first high surrogate', 'ed a0 80'],
  ['the last low surrogate', 'ed bf bf'],
  ['a pair of surrogates', 'ed a0 bd ed b9 82'],
  ['one above U+10FFFF', 'f4 90 80 80'],
  ['a start of five', 'f8 88 80 80 80'],
  ['a start of six', 'fc 84 80 80 80 80'],
  ['FE', 'fe'],
  ['FF', 'ff'],
  ['the sample of Autobahn', 'ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64'],
];
const GOOD_UTF8: readonly (readonly [string, string])[] = [
  ['NUL', '00'],
  ['U+0080', 'c2 80'],
  ['U+07FF', 'df bf'],
  ['U+0800', 'e0 a0 80'],
  ['U+D7FF, before the surrogates', 'ed 9f bf'],
  ['U+E000, after the surrogates', 'ee 80 80'],
  ['U+FFFD', 'ef bf bd'],
  ['U+FFFF', 'ef bf bf'],
  ['U+10000', 'f0 90 80 80'],
  ['U+10FFFF', 'f4 8f bf bf'],
];

const badUtf8: Case[] = BAD_UTF8.flatMap(([what, hex]): Case[] => {
  const payload = toBob(bytes(hex));
  return [
    [`${what}, in text`, [text(payload)], 1007],
    [`${what}, in binary`, [text(payload, { opcode: BINARY })], 1007],
    [
      `${what}, a byte in each fragment`,
      [start(), ...[...bytes(hex)].map((byte) => more(Buffer.from([byte]))), last('')],
      1007,
    ],
    [`${what}, in a close reason`, [closeFrame(1000, bytes(hex))], 1007],
  ];
});

const goodUtf8: Case[] = GOOD_UTF8.flatMap(([what, hex]): Case[] => {
  const character = bytes(hex);
  const outcome = { bob: [character.toString()] };
  return [
    [`${what}, in text`, [text(toBob(character))], outcome],
    [`${what}, in binary`, [text(toBob(character), { opcode: BINARY })], outcome],
    [
      `${what}, a byte in each fragment`,
      [start(), ...[...character].map((byte) => more(Buffer.from([byte]))), last('')],
      outcome,
    ],
    [`${what}, in a close reason`, [closeFrame(1000, character)], 1000],
  ];
});

const CODES_GOOD = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const CODES_BAD = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

const closes: Case[] = [
  ['without a code, answered without one', [control(CLOSE)], { answers: ['close'] }],
  ['with a payload of one byte', [control(CLOSE, bytes('03'))], 1002],
  ['with a reason of 123 bytes', [closeFrame(1000, 'x'.repeat(123))], 1000],
  ['twice', [closeFrame(1000), closeFrame(1001)], 1000],
  ['and a ping behind it', [closeFrame(1000), control(PING, 'late')], 1000],
  ['and a text behind it in the same segment', [Buffer.concat([closeFrame(1000), text('bob|late')])], 1000],
  ['and a broken frame behind it', [closeFrame(1000), bytes('ff ff ff ff ff ff')], 1000],
  ['inside a message', [start(), closeFrame(1000)], 1000],
  ...CODES_GOOD.map((code): Case => [`${code}`, [closeFrame(code)], code]),
  ...CODES_BAD.map((code): Case => [`${code}, which nobody may send`, [closeFrame(code)], 1002]),
];

const lie = (length: bigint, opcode: number = TEXT) => rawFrame({ opcode, length, lengthBytes: 8, payload: 'bob|x' });
const MESSAGE = { bob: ['short'] };

const lengths: Case[] = [
  ...[BigInt(MAX_FRAME) + 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].flatMap(
    (length): Case[] => [
      [`${length} in text`, [lie(length)], 1009],
      [`${length} in binary`, [lie(length, BINARY)], 1009],
    ],
  ),
  ['one byte too many over two fragments', [start(Buffer.alloc(MAX_FRAME, 'x')), last('x')], 1009],
  ['2^53 in a continuation', [start(), lie(2n ** 53n, CONTINUATION)], 1009],
  // The RFC demands the shortest form. `ws` accepts any, which does no harm.
  ['9 bytes written in 2 bytes', [text('bob|short', { lengthBytes: 2 })], MESSAGE],
  ['9 bytes written in 8 bytes', [text('bob|short', { lengthBytes: 8 })], MESSAGE],
  ['126 bytes written in 8 bytes', [text(`bob|${'x'.repeat(122)}`, { lengthBytes: 8 })], { bob: ['x'.repeat(122)] }],
  ['an empty continuation in 8 bytes', [start('bob|short'), rawFrame({ opcode: 0, lengthBytes: 8 })], MESSAGE],
];

const SIZES = [
  124,
  125,
  126,
  127,
  128,
  65_535,
  65_536,
  65_537,
  MAX_CONTENT + 4,
  MAX_CONTENT + 5,
  MAX_FRAME - 1,
  MAX_FRAME,
];

const sizes: Case[] = [...SIZES, MAX_FRAME + 1].flatMap((size): Case[] => {
  const payload = toBob(Buffer.alloc(size - 4, 'x'));
  const fits = { bob: [brief('x'.repeat(size - 4))] };
  const outcome =
    size > MAX_FRAME ? 1009 : size - 4 > MAX_CONTENT ? { answers: ['text error: CONTENT_TOO_LARGE'] } : fits;
  return [
    [`${size} in text`, [text(payload)], outcome],
    [`${size} in binary`, [text(payload, { opcode: BINARY })], outcome],
    [`${size} in two fragments`, [start(payload.subarray(0, 60)), last(payload.subarray(60))], outcome],
  ];
});

const PING_SIZES = [0, 1, 2, 7, 8, 15, 16, 17, 64, 123, 124, 125];
const payloadOf = (size: number) => Buffer.from(Array.from({ length: size }, (_, index) => 255 - index));
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `ping ${index}`);

const pings: Case[] = [
  ...PING_SIZES.flatMap((size): Case[] => {
    const payload = payloadOf(size);
    const inside = [start('bob|a'), control(PING, payload), last('b')];
    return [
      [`a ping of ${size} bytes`, [control(PING, payload)], { answers: [pongOf(payload)] }],
      [`a ping of ${size} bytes inside a message`, inside, { answers: [pongOf(payload)], bob: ['ab'] }],
      [`a pong of ${size} bytes that nobody asked for`, [control(PONG, payload)], {}],
    ];
  }),
  ...[20, 500].map((count): Case => [
    `${count} pings in one segment`,
    [Buffer.concat(numbered(count).map((payload) => control(PING, payload)))],
    { answers: numbered(count).map(pongOf) },
  ]),
  [
    'a ping between all fragments',
    [start('bob|a'), control(PING, '1'), more('b'), control(PING, '2'), more(''), control(PING, '3'), last('c')],
    { answers: ['1', '2', '3'].map(pongOf), bob: ['abc'] },
  ],
  ['a pong inside a message', [start('bob|a'), control(PONG, 'x'), last('b')], { bob: ['ab'] }],
];

function repeated<Item>(count: number, item: Item): Item[] {
  return Array.from({ length: count }, () => item);
}

/** A message to bob, of one letter in each fragment but the first, and pings behind as many of them. */
function inFragments(count: number, pings = 0): Buffer[] {
  const between = repeated(count - 2, more('x')).flatMap((each, index) =>
    index < pings ? [each, control(PING)] : [each],
  );
  return [start(), ...between, last('x')];
}

const wholeness: Case[] = [
  ['a message with a mask of zeros', [text('bob|plain', { mask: Buffer.alloc(4) })], { bob: ['plain'] }],
  ['a message a byte at a time', [...text('bob|slow')].map((byte) => Buffer.from([byte])), { bob: ['slow'] }],
  ['a message in 3 frames in one segment', [Buffer.concat([start('b'), more('ob|'), last('x')])], { bob: ['x'] }],
  ['a message in 64 fragments', inFragments(64), { bob: ['x'.repeat(63)] }],
  [
    'a message in 64 fragments with pings between them',
    inFragments(64, 30),
    { answers: repeated(30, pongOf('')), bob: ['x'.repeat(63)] },
  ],
  ['a message in 65 fragments, which is closed with 1008', inFragments(65), 1008],
  ['a message in 65 empty fragments', [start(''), ...repeated(63, more('')), last('')], 1008],
  ['a second message in 64 fragments', [...inFragments(64), ...inFragments(64)], { bob: repeated(2, 'x'.repeat(63)) }],
  ['a message that starts with an empty fragment', [start(''), more(''), last('bob|x')], { bob: ['x'] }],
  [
    'ten messages in one segment',
    [Buffer.concat(numbered(10).map((each) => text(`bob|${each}`)))],
    { bob: numbered(10) },
  ],
];

alone('order').describe('frames of RFC 6455', () => {
  let chat: ChatApp;
  let alice: TestClient;
  let bob: TestClient;
  let round = 0;
  beforeAll(async () => {
    chat = await ChatApp.start();
    [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
  });
  afterAll(() => chat.dispose());

  /** All that bob has got, up to a message of a client that had nothing to do with the case. */
  async function whatBobGot(): Promise<string[]> {
    const healthy = `healthy ${(round += 1)}`;
    alice.send(`bob|${healthy}`);
    const got: string[] = [];
    for (;;) {
      const content = await bob.next();
      if (content === healthy) return got;
      got.push(brief(content));
    }
  }

  /**
   * Writes the segments and then, if it may, a message to bob and a last ping. Returns what came back, without the
   * server's own pings.
   */
  async function answersTo(segments: readonly Buffer[], headers: Record<string, string> = {}): Promise<string[]> {
    await chat.untilOffline('raw'); // Else each case takes over from the one before, which is limited.
    const peer = await RawClient.open(chat.port, '/chat?user=raw', headers);
    peer.socket.setNoDelay();
    for (const segment of [...segments, text('bob|the end'), control(PING, 'the end')]) await peer.write(segment);
    const answers: string[] = [];
    for (;;) {
      const frame = await peer.nextFrame();
      if (frame === null) return answers; // After a close the server has ended the connection, too.
      const { opcode, payload } = frame;
      const isEnd = opcode === PONG && payload.toString() === 'the end';
      if (opcode === CLOSE) {
        answers.push(['close', ...(payload.length > 0 ? [payload.readUInt16BE(0)] : [])].join(' '));
        await peer.write(control(CLOSE, payload));
      } else if (opcode === PONG) answers.push(isEnd ? 'the end' : pongOf(payload));
      else if (opcode !== PING) answers.push(`text ${payload.toString().split(':', 2).join(':')}`);
      if (!isEnd) continue;
      peer.reset();
      await withDeadline(peer.closed, () => 'the reset');
      return answers;
    }
  }

  async function expectOutcome([, segments, expected]: Case): Promise<void> {
    const { answers = [], bob: messages = [] } =
      typeof expected === 'number' ? { answers: [`close ${expected}`] } : expected;
    const isOver = answers.at(-1)?.startsWith('close') === true;
    const answered = await answersTo(segments);
    expect({ answered, bob: await whatBobGot() }).toEqual({
      answered: isOver ? answers : [...answers, 'the end'],
      bob: isOver ? messages : [...messages, 'the end'],
    });
  }

  describe.each([
    ['an unmasked frame closes with 1002', unmasked],
    ['a reserved bit closes with 1002', reservedBits],
    ['a reserved opcode closes with 1002', reservedOpcodes],
    ['a control frame is short and whole, or closes with 1002', controls],
    ['fragments come in order, or close with 1002', order],
    ['bytes that are no UTF-8 close with 1007', badUtf8],
    ['every character comes through', goodUtf8],
    ['a close frame is answered with its code, or with 1002, and nothing behind it counts', closes],
    ['a length is checked before its payload comes', lengths],
    ['a frame of any size comes through, is refused, or closes with 1009', sizes],
    ['a ping is answered with its payload', pings],
    ['a message is the same in whatever pieces it comes', wholeness],
  ])('%s:', (_, cases) => {
    it.each(cases)('%s', (...each) => expectOutcome(each));
  });

  describe('compression', () => {
    it.each([
      'permessage-deflate',
      'permessage-deflate; client_max_window_bits',
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover, permessage-deflate',
      'x-webkit-deflate-frame',
    ])('is not negotiated when a client offers %s, and its bit closes with 1002', async (extensions) => {
      const peer = await RawClient.connect(chat.port);
      await peer.write(RawClient.handshake('/chat?user=raw', { 'Sec-WebSocket-Extensions': extensions }));
      const head = await peer.until('\r\n\r\n');
      peer.reset();
      expect(head).toMatch(/^HTTP\/1\.1 101 /);
      expect(head).not.toMatch(/extensions/i);
      const compressed = text(bytes('4a ca 4f aa a9 00 00'), { rsv: 4 });
      expect(await answersTo([compressed], { 'Sec-WebSocket-Extensions': extensions })).toEqual(['close 1002']);
      expect(await whatBobGot()).toEqual([]);
    });
  });

  it('leave no connection behind', async () => {
    await chat.untilOffline('raw');
    expect(chat.connections.count).toBe(2);
    chat.expectBalanced();
  });
});
