import type { Dialect } from './dialect.js';
import { FrameTemplate } from './frame-template.js';
import { Link, type LinkEvents } from './link.js';

const MASK = 0x5a;
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** A masked frame of a client. */
function clientFrame(payload: Buffer | string, opcode = TEXT): Buffer {
  const body = Buffer.from(payload);
  const wide = body.length > 125;
  if (body.length > 0xffff) throw new Error(`a frame of ${body.length} bytes; the benchmark writes none over 65,535`);
  const frame = Buffer.allocUnsafe((wide ? 8 : 6) + body.length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (wide ? 126 : body.length);
  if (wide) frame.writeUInt16BE(body.length, 2);
  const start = frame.length - body.length;
  frame.fill(MASK, start - 4, start);
  for (let index = 0; index < body.length; index += 1) frame[start + index] = body[index]! ^ MASK;
  return frame;
}

/** Returns the frame for a payload with room for time and number. */
export function wsTemplate(payload: string): FrameTemplate {
  return new FrameTemplate(clientFrame(payload), MASK);
}

/** A WebSocket client, as far as the benchmark needs one [RFC 6455]. */
export class WsLink extends Link {
  /** What the dialect has to acknowledge after this chunk. */
  unacknowledged = 0;
  private upgraded = false;

  constructor(
    port: number,
    user: string,
    events: LinkEvents,
    private readonly dialect: Dialect,
  ) {
    super(port, user, events);
  }

  ready(): void {
    this.events.onReady(this);
  }

  /** Replies with a text frame. */
  say(text: string): void {
    this.reply(clientFrame(text));
  }

  /** Ends the link: the server refused what the benchmark sent. */
  refused(bytes: Buffer, start: number, end: number): void {
    this.fail(`the server wrote ${bytes.toString('utf8', start, Math.min(end, start + 200))}`);
  }

  protected onConnected(): void {
    const protocol = this.dialect.subprotocol ? `Sec-WebSocket-Protocol: ${this.dialect.subprotocol}\r\n` : '';
    this.write(
      `GET ${this.dialect.path(this.user)} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${protocol}\r\n`,
    );
  }

  protected take(bytes: Buffer, at: number, end: number): number {
    if (!this.upgraded) return this.upgrade(bytes, at, end);
    if (end - at < 2) return -1;
    let length = bytes[at + 1]! & 0x7f;
    let start = at + 2;
    if (length === 126) {
      if (end - at < 4) return -1;
      length = bytes.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      if (end - at < 10) return -1;
      length = Number(bytes.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    if (end - start < length) return -1;
    this.frame(bytes[at]!, bytes, start, start + length);
    return start + length;
  }

  protected override onChunkRead(): void {
    if (this.unacknowledged > 0) this.dialect.acknowledge?.(this);
  }

  private upgrade(bytes: Buffer, at: number, end: number): number {
    const head = bytes.indexOf(END_OF_HEAD, at);
    if (head < 0 || head >= end) return -1;
    const status = bytes.toString('latin1', at + 9, at + 12);
    this.upgraded = true;
    if (status !== '101') {
      this.fail(`refused with ${status}`);
      return end;
    }
    if (this.dialect.readyAtOnce) this.ready();
    return head + END_OF_HEAD.length;
  }

  private frame(first: number, bytes: Buffer, start: number, end: number): void {
    if (first === (0x80 | TEXT)) this.dialect.onText(this, bytes, start, end);
    else if (first === (0x80 | PING)) this.reply(clientFrame(bytes.subarray(start, end), PONG));
    else if (first === (0x80 | CLOSE))
      this.fail(`closed with ${end - start < 2 ? 'no code' : bytes.readUInt16BE(start)}`);
    else if (first !== (0x80 | PONG))
      this.fail(`a frame that starts with ${first}: the benchmark expects whole text frames`);
  }
}
