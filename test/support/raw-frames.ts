import { randomBytes } from 'node:crypto';

/** What a hand-made frame claims, true or not [RFC 6455 5.2]. */
export interface FrameParts {
  /** The default is 1, text. */
  readonly opcode?: number;
  readonly payload?: Buffer | string;
  readonly fin?: boolean;
  /** The three reserved bits as one number: RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly rsv?: number;
  /** The default is a random mask. Null leaves the frame unmasked. */
  readonly mask?: Buffer | null;
  /** The bytes of the length beside its 7 bits. The default is as few as it needs. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** The length that is written. The default is that of the payload. */
  readonly length?: bigint | number;
}

/** The bytes of a frame that may break every rule. */
export function rawFrame(parts: FrameParts): Buffer {
  const { opcode = 1, fin = true, rsv = 0, mask = randomBytes(4) } = parts;
  const payload = Buffer.from(parts.payload ?? '');
  const length = BigInt(parts.length ?? payload.length);
  const lengthBytes = parts.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const masked = mask === null ? 0 : 0x80;
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = masked | { 0: Number(length & 127n), 2: 126, 8: 127 }[lengthBytes];
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2);
  if (mask === null) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)]);
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Buffer | string = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/** A frame that the server has written. */
export interface ServerFrame {
  readonly first: number;
  readonly opcode: number;
  readonly payload: Buffer;
  /** How many bytes it took, with its head. */
  readonly size: number;
}

/**
 * Returns the first frame in these bytes, or null while it is not whole. Throws for one that no server may write [RFC
 * 6455 5.1].
 */
export function readServerFrame(bytes: Buffer): ServerFrame | null {
  if (bytes.length < 2) return null;
  const first = bytes[0]!;
  const short = bytes[1]!;
  if (short & 0x80) throw new Error(`the server wrote a masked frame: ${bytes.toString('hex', 0, 32)}`);
  if (first & 0x70) throw new Error(`the server set a reserved bit: ${bytes.toString('hex', 0, 32)}`);
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return null;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short & 127;
  if (bytes.length < head + length) return null;
  return { first, opcode: first & 15, payload: bytes.subarray(head, head + length), size: head + length };
}
