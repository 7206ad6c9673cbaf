import type { Random } from '../../test/support/crash-random.js';
import { closePayload, rawFrame } from '../../test/support/raw-frames.js';

/** Users of the fuzz. The healthy clients have other names. */
const FUZZ_USERS = Array.from({ length: 50 }, (_, index) => `fuzz-${index}`);

const JSON_PAYLOADS = [
  '{"event":"send","data":{"to":"fuzz-1","content":"hello","id":"a1"}}',
  '{"event":"send","data":{"to":"fuzz-2","content":"\\ud83d\\ude42 \\u0000"}}',
  '{"event":"broadcast","data":{"content":"to all"}}',
  '{"event":"signal","data":{"to":"fuzz-1","kind":"at","data":{"x":[1,"\\ud83d\\ude42"]}}}',
  '{"event":"ack","data":{"seq":1}}',
  '{"event":"ping","data":{}}',
  '{"event":"renew","data":{"token":"a.b.c"}}',
  '{"event":"send","data":{"to":"__proto__","content":"\\ud800"}}',
  '[[[[{"event":"send"}]]]]',
];
const TEXT_PAYLOADS = [
  'fuzz-3|hello',
  '|again',
  'fuzz-4|a|b\r\n|c',
  'caf\u00e9|\u{1f642}',
  '|',
  'to all',
  `fuzz-5|${'x'.repeat(2_000)}`,
];

/** Bytes with a meaning in JSON, UTF-8 or the text protocol. */
const TOKENS = [
  '|',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ':',
  ',',
  '\\ud800',
  '\\u0000',
  '\0',
  '\ufeff',
  '1e999',
  '-0',
  '\u200b',
  'null',
].map((token) => Buffer.from(token));
const LENGTHS = [
  0n,
  1n,
  125n,
  126n,
  127n,
  65_535n,
  65_536n,
  131_072n,
  131_073n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const flip: Mutation = (bytes, random) => {
  const flipped = Buffer.from(bytes);
  if (bytes.length === 0) return flipped;
  for (let left = random.between(1, 4); left > 0; left -= 1) {
    const at = random.between(0, bytes.length - 1);
    flipped[at] = flipped[at]! ^ (1 << random.between(0, 7));
  }
  return flipped;
};
const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.between(0, bytes.length));
const duplicate: Mutation = (bytes, random) => {
  const from = random.between(0, bytes.length);
  const to = random.between(from, bytes.length);
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
};
const insert: Mutation = (bytes, random) => {
  const at = random.between(0, bytes.length);
  return Buffer.concat([bytes.subarray(0, at), random.pick(TOKENS), bytes.subarray(at)]);
};
const MUTATIONS = [flip, truncate, duplicate, insert];

const maskOf = (random: Random) => Buffer.from(Array.from({ length: 4 }, () => random.between(0, 255)));

/** A handshake for one of the users, one in eight of them mutated. */
export function fuzzHandshake(random: Random): { bytes: Buffer; isJson: boolean } {
  const isJson = random.between(0, 1) === 1;
  const lines = [
    `GET /chat?user=${random.pick(FUZZ_USERS)} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...(isJson ? ['Sec-WebSocket-Protocol: chat.v1.json'] : []),
  ];
  const good = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  return { bytes: random.between(1, 8) === 1 ? random.pick(MUTATIONS)(good, random) : good, isJson };
}

/** A frame with something wrong in it. `isBroken` says that the frame itself is wrong, and not only its payload. */
export function fuzzFrame(random: Random, isJson: boolean): { bytes: Buffer; isBroken: boolean } {
  const good = Buffer.from(random.pick(isJson ? JSON_PAYLOADS : TEXT_PAYLOADS));
  const mask = maskOf(random);
  if (random.between(1, 100) <= 70) {
    let payload: Buffer = good;
    for (let left = random.between(1, 3); left > 0; left -= 1) payload = random.pick(MUTATIONS)(payload, random);
    // A text frame has to be UTF-8. Otherwise the rest of the connection is not read.
    const whole = random.between(1, 10) === 1 ? payload : Buffer.from(payload.toString());
    return { bytes: rawFrame({ payload: whole, mask, opcode: random.between(1, 4) === 1 ? 2 : 1 }), isBroken: false };
  }
  return { bytes: brokenFrame(random, good, mask), isBroken: true };
}

function brokenFrame(random: Random, payload: Buffer, mask: Buffer): Buffer {
  const frame = rawFrame({ payload, mask });
  switch (random.between(0, 7)) {
    case 0:
      return rawFrame({ payload, mask, lengthBytes: 8, length: random.pick(LENGTHS) });
    case 1:
      return rawFrame({ payload, mask, opcode: random.between(0, 15), fin: random.between(0, 1) === 1 });
    case 2:
      return rawFrame({ payload, mask: null });
    case 3:
      return rawFrame({ payload, mask, rsv: random.between(1, 7) });
    case 4:
      return rawFrame({ opcode: 8, mask, payload: closePayload(random.between(0, 65_535), payload.subarray(0, 100)) });
    case 5:
      return rawFrame({ opcode: random.between(9, 10), mask, payload: Buffer.alloc(random.between(0, 130), 1) });
    case 6: {
      const other = rawFrame({ payload: random.pick(TEXT_PAYLOADS), mask });
      return Buffer.concat([
        frame.subarray(0, random.between(0, frame.length)),
        other.subarray(random.between(0, other.length)),
      ]);
    }
    default:
      return random.pick(MUTATIONS)(frame, random);
  }
}
