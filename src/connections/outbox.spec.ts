import { frameReader } from '../../test/support/frame-reader.js';
import { Outbox, pingFrame, pongFrame, textFrame } from './outbox.js';

/** Returns what a client's parser reads from these bytes, given in pieces of this size. */
function read(bytes: Buffer, piece = bytes.length): string[] {
  const heard: string[] = [];
  const reader = frameReader({
    message: (data, isBinary) => heard.push(`${isBinary ? 'binary' : 'text'} ${data.toString()}`),
    pong: (data) => heard.push(`pong ${data.length}`),
    ping: (data) => heard.push(`ping ${data.toString()}`),
    error: (error) => heard.push(`error ${error.message}`),
  });
  for (let at = 0; at < bytes.length; at += piece) reader.write(bytes.subarray(at, at + piece));
  return heard;
}

const TEXTS = [
  '',
  'a',
  'x'.repeat(125),
  'x'.repeat(126),
  'x'.repeat(65_535),
  'x'.repeat(65_536),
  'né',
  '\u{1f642}'.repeat(40),
];

describe('the outbox of a connection', () => {
  it('writes every text as a frame of its own, in order, in one buffer', () => {
    const outbox = new Outbox();
    for (const text of TEXTS) outbox.add(text);
    const { bytes } = outbox;
    const buffer = outbox.take()!;
    expect(buffer.length).toBe(bytes);
    expect(read(buffer)).toEqual(TEXTS.map((text) => `text ${text}`));
    expect(read(buffer, 1_021)).toEqual(TEXTS.map((text) => `text ${text}`));
  });

  it('mixes texts with frames that others get, too', () => {
    const outbox = new Outbox();
    const shared = textFrame('to all');
    outbox.add('one');
    outbox.addFrame(shared);
    outbox.addFrame(pingFrame(Buffer.from('nonce')));
    outbox.addFrame(pongFrame(Buffer.alloc(125)));
    outbox.add('two');
    expect(read(outbox.take()!)).toEqual(['text one', 'text to all', 'ping nonce', 'pong 125', 'text two']);
    expect(read(shared)).toEqual(['text to all']);
  });

  it('hands a single shared frame on as it is, without a copy', () => {
    const outbox = new Outbox();
    const shared = textFrame('to all');
    outbox.addFrame(shared);
    expect(outbox.take()).toBe(shared);
  });

  it('is empty once it was taken', () => {
    const outbox = new Outbox();
    outbox.add('x');
    outbox.take();
    expect([outbox.bytes, outbox.take()]).toEqual([0, null]);
  });
});
