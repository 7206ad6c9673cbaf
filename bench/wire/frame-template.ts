/** Starts the content of every message of the benchmark: the mark, when it was written, and its number. */
export const MARK = Buffer.from('~@');
const TIME_DIGITS = 10;
const SEQ_DIGITS = 8;
const TIME_PLACE = '\u0001';
const SEQ_PLACE = '\u0002';

/** Stands where a frame carries its number, such as in an id. */
export const SEQ = SEQ_PLACE.repeat(SEQ_DIGITS);

/** Content of so many bytes, with the places for time and number. */
export function contentOf(bytes: number): string {
  return (MARK.toString() + TIME_PLACE.repeat(TIME_DIGITS) + SEQ).padEnd(bytes, 'x');
}

/** Numbers are known by so many of their lowest bits where a protocol has room for no more, such as in a packet id. */
export const KEY_MASK = 0x7fff;

/**
 * A frame that is built once and copied for each message, with only time and number written anew. All bytes of the mask are the same,
 * so that a digit is masked wherever it stands; it is not zero, for which `ws` would skip its work.
 */
export class FrameTemplate {
  private readonly timesAt: readonly number[];
  private readonly seqsAt: readonly number[];

  constructor(
    private readonly bytes: Buffer,
    /** What every byte of the payload is masked with. */
    private readonly mask = 0,
    /** Where an MQTT packet id stands. */
    private readonly packetIdAt: number | null = null,
  ) {
    this.timesAt = runsOf(bytes, TIME_PLACE.charCodeAt(0) ^ mask, TIME_DIGITS);
    this.seqsAt = runsOf(bytes, SEQ_PLACE.charCodeAt(0) ^ mask, SEQ_DIGITS);
  }

  get length(): number {
    return this.bytes.length;
  }

  write(into: Buffer, at: number, seq: number, timeUs: number): void {
    this.bytes.copy(into, at);
    for (const place of this.timesAt) this.digits(into, at + place, TIME_DIGITS, timeUs);
    for (const place of this.seqsAt) this.digits(into, at + place, SEQ_DIGITS, seq);
    if (this.packetIdAt !== null) into.writeUInt16BE((seq & KEY_MASK) + 1, at + this.packetIdAt);
  }

  private digits(into: Buffer, at: number, count: number, value: number): void {
    let left = value;
    for (let place = at + count - 1; place >= at; place -= 1) {
      const rest = Math.floor(left / 10);
      into[place] = (48 + left - rest * 10) ^ this.mask;
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
  for (let place = at; place < at + count; place += 1) value = value * 10 + bytes[place]! - 48;
  return value;
}
