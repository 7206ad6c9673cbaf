/** Starts the content of every message of the benchmark: the mark, when it was written, and its number. */
export const MARK = Buffer.from('~@');
const TIME_DIGITS = 10;
const SEQ_DIGITS = 8;
/** How many numbers there are. */
export const NUMBERS = 10 ** SEQ_DIGITS;
const TIME_MARK = '\u0001';
const SEQ_MARK = '\u0002';

/** Marks where a frame carries its number, such as in an id. */
export const SEQ = SEQ_MARK.repeat(SEQ_DIGITS);

/** Returns a content of `bytes` bytes with room for time and number, which take 20. */
export function contentOf(bytes: number): string {
  return (MARK.toString() + TIME_MARK.repeat(TIME_DIGITS) + SEQ).padEnd(bytes, 'x');
}

/** The lowest bits by which a number is known where a protocol has no room for more, such as in a packet id. */
export const KEY_MASK = 0x7fff;

/**
 * A frame that is built once and copied for each message: only time and number are written anew. All bytes of the mask
 * are the same, so that a digit is masked at any offset. The mask is not zero, because `ws` would skip its work then.
 */
export class FrameTemplate {
  private readonly timesAt: readonly number[];
  private readonly seqsAt: readonly number[];

  constructor(
    private readonly bytes: Buffer,
    /** What every byte of the payload is masked with. */
    private readonly mask = 0,
    /** The offset of the MQTT packet id. */
    private readonly packetIdAt: number | null = null,
  ) {
    this.timesAt = runsOf(bytes, TIME_MARK.charCodeAt(0) ^ mask, TIME_DIGITS);
    this.seqsAt = runsOf(bytes, SEQ_MARK.charCodeAt(0) ^ mask, SEQ_DIGITS);
  }

  get length(): number {
    return this.bytes.length;
  }

  write(into: Buffer, at: number, seq: number, timeUs: number): void {
    this.bytes.copy(into, at);
    for (const offset of this.timesAt) this.digits(into, at + offset, TIME_DIGITS, timeUs);
    for (const offset of this.seqsAt) this.digits(into, at + offset, SEQ_DIGITS, seq);
    if (this.packetIdAt !== null) into.writeUInt16BE((seq & KEY_MASK) + 1, at + this.packetIdAt);
  }

  private digits(into: Buffer, at: number, count: number, value: number): void {
    let left = value;
    for (let offset = at + count - 1; offset >= at; offset -= 1) {
      const rest = Math.floor(left / 10);
      into[offset] = (48 + left - rest * 10) ^ this.mask;
      left = rest;
    }
  }
}

function runsOf(bytes: Buffer, value: number, length: number): number[] {
  const run = Buffer.alloc(length, value);
  const found: number[] = [];
  for (let at = bytes.indexOf(run); at >= 0; at = bytes.indexOf(run, at + length)) found.push(at);
  return found;
}

/** Microseconds since this process started. */
export function nowUs(): number {
  return Math.round(performance.now() * 1_000);
}

/** The time and the number of the message whose mark is at `at`. */
export function timeAt(bytes: Buffer, at: number): number {
  return digitsAt(bytes, at + MARK.length, TIME_DIGITS);
}

export function seqAt(bytes: Buffer, at: number): number {
  return digitsAt(bytes, at + MARK.length + TIME_DIGITS, SEQ_DIGITS);
}

export function digitsAt(bytes: Buffer, at: number, count = SEQ_DIGITS): number {
  let value = 0;
  for (let offset = at; offset < at + count; offset += 1) value = value * 10 + bytes[offset]! - 48;
  return value;
}
