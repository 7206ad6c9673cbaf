import { randomBytes } from 'node:crypto';
import { headerOf, Opener, Seal, SEAL_BYTES, Sealer, type Direction } from './seal.js';

const seal = new Seal(randomBytes(32), 'c1');
const direction: Direction = {
  sender: 1,
  receiver: 2,
  senderEpoch: randomBytes(16),
  receiverEpoch: randomBytes(16),
};

describe('a sealed packet', () => {
  it('is opened in its direction, and tells who has sent it', () => {
    const packet = new Sealer(seal, direction).seal(Buffer.from('hello'));
    expect(packet).toHaveLength(SEAL_BYTES + 5);
    expect(headerOf(packet)).toEqual({ ...direction, number: 1 });
    expect(String(new Opener(seal, direction).open(packet, 1))).toBe('hello');
  });

  it('shows nothing of its content, not even that it is the same as another', () => {
    const sealer = new Sealer(seal, direction);
    const [one, two] = [sealer.seal(Buffer.alloc(64)), sealer.seal(Buffer.alloc(64))];
    const other = new Sealer(seal, { ...direction, senderEpoch: randomBytes(16) }).seal(Buffer.alloc(64));
    const contents = [one, two, other].map((packet) => packet.toString('hex', SEAL_BYTES - 16, SEAL_BYTES + 48));
    expect(new Set(contents).size).toBe(3);
  });

  it.each<[string, Partial<Direction>]>([
    ['sender', { sender: 3 }],
    ['receiver', { receiver: 3 }],
    ['epoch of the sender', { senderEpoch: randomBytes(16) }],
    ['epoch of the receiver', { receiverEpoch: randomBytes(16) }],
  ])('is not opened as one of another %s', (_, change) => {
    const packet = new Sealer(seal, direction).seal(Buffer.from('hello'));
    expect(new Opener(seal, { ...direction, ...change }).open(packet, 1)).toBeNull();
  });

  it('needs a key of 32 bytes', () => {
    expect(() => new Seal(randomBytes(16), 'c1')).toThrow('has 16 bytes instead of 32');
  });
});
