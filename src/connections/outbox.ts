/** First byte of a frame that is not fragmented [RFC 6455 5.2]. */
const TEXT = 0x81;
const PING = 0x89;
const PONG = 0x8a;

/** The longest payloads whose length fits into the second byte of a frame, and into the two bytes after it. */
const SHORT = 125;
const MEDIUM = 0xffff;

/** A text, or a complete frame, and its length in bytes. */
interface Part {
  readonly content: string | Buffer;
  readonly length: number;
  next: Part | null;
}

/**
 * Gathers what a connection sends in a turn, and returns it as one buffer. The frames of a server are not masked, so a
 * frame is just its length and its text. `ws` would write two pieces for each frame, which took a third of the cost of
 * the relay.
 *
 * The parts are a chain that is made anew in each turn. An array that stays for the next turn grows old, and what is
 * put into an old object outlives two collections of the nursery, even if that object was dropped long before.
 */
export class Outbox {
  private first: Part | null = null;
  private last: Part | null = null;
  private total = 0;

  /** Bytes that wait for the end of the turn. */
  get bytes(): number {
    return this.total;
  }

  /** Adds a text, in a frame of its own. */
  add(text: string): void {
    const length = Buffer.byteLength(text);
    this.append({ content: text, length, next: null });
    this.total += headerLength(length) + length;
  }

  /** Adds a complete frame, which is not changed. */
  addFrame(frame: Buffer): void {
    this.append({ content: frame, length: frame.length, next: null });
    this.total += frame.length;
  }

  /** Removes and returns everything that was added, in order; null if there is nothing. */
  take(): Buffer | null {
    const { first, total } = this;
    if (first === null) return null;
    this.first = this.last = null;
    this.total = 0;
    if (first.next === null && typeof first.content !== 'string') return first.content;
    const buffer = Buffer.allocUnsafe(total);
    let offset = 0;
    for (let part: Part | null = first; part !== null; part = part.next) {
      const { content, length } = part;
      offset += typeof content === 'string' ? writeText(buffer, offset, content, length) : content.copy(buffer, offset);
    }
    return buffer;
  }

  private append(part: Part): void {
    if (this.last === null) this.first = part;
    else this.last.next = part;
    this.last = part;
  }
}

/** Returns the frame of a text, for any connection. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerLength(length) + length);
  writeText(frame, 0, text, length);
  return frame;
}

/** Returns the frame of a ping; its payload has at most 125 bytes. */
export const pingFrame = (payload: Buffer): Buffer => controlFrame(PING, payload);

/** Returns the frame of a pong; its payload has at most 125 bytes. */
export const pongFrame = (payload: Buffer): Buffer => controlFrame(PONG, payload);

function controlFrame(opcode: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(2 + payload.length);
  frame[0] = opcode;
  frame[1] = payload.length;
  payload.copy(frame, 2);
  return frame;
}

function headerLength(length: number): number {
  if (length <= SHORT) return 2;
  return length <= MEDIUM ? 4 : 10;
}

function writeText(buffer: Buffer, at: number, text: string, length: number): number {
  const start = at + headerLength(length);
  buffer[at] = TEXT;
  if (length <= SHORT) buffer[at + 1] = length;
  else if (length <= MEDIUM) {
    buffer[at + 1] = 126;
    buffer.writeUInt16BE(length, at + 2);
  } else {
    buffer[at + 1] = 127;
    buffer.writeUInt32BE(0, at + 2);
    buffer.writeUInt32BE(length, at + 6);
  }
  // If there are as many bytes as characters, the text is ASCII and needs no encoding.
  buffer.write(text, start, length, length === text.length ? 'latin1' : 'utf8');
  return start - at + length;
}
