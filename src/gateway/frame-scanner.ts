const ACK = Buffer.from('{"event":"ack","data":{"seq":');
const SEND = Buffer.from('{"event":"send","data":{');
const ID = Buffer.from('"id":"');
const TO = Buffer.from('"to":"');
const CONTENT = Buffer.from('"content":"');

/** The longest frame that is scanned: with longer ones JSON.parse is faster. */
const MAX_SCANNED_BYTES = 200;
/** The longest number that is scanned: longer ones may not be exact. */
const MAX_DIGITS = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const CLOSING_BRACE = 0x7d;
/** JSON forbids the bytes below this one in a string [RFC 8259 7]. */
const BLANK = 0x20;

/** What a scanned frame says, with the fields that it has. */
export type ScannedFrame =
  | { readonly event: 'ack'; readonly data: { readonly seq: number } }
  | { readonly event: 'send'; readonly data: Partial<Record<'id' | 'to' | 'content', string | undefined>> };

/**
 * Reads the two frames that clients send all the time as they write them: an ack, and a message whose fields are plain
 * strings, without blanks between the parts. It returns what JSON.parse would return, or null for any other frame,
 * which JSON.parse then reads. The bytes have to be UTF-8. As it makes no string of the whole frame, it takes a tenth of
 * the time for an ack, and three quarters for a message of 64 bytes.
 */
export function scanFrame(bytes: Buffer): ScannedFrame | null {
  if (bytes.length > MAX_SCANNED_BYTES) return null;
  if (isAt(bytes, 0, SEND)) return scanSend(bytes);
  return isAt(bytes, 0, ACK) ? scanAck(bytes) : null;
}

function scanAck(bytes: Buffer): ScannedFrame | null {
  const end = bytes.length - 2;
  const digits = end - ACK.length;
  // JSON has no number with a zero before other digits.
  if (digits < 1 || digits > MAX_DIGITS || (digits > 1 && bytes[ACK.length] === ZERO)) return null;
  let seq = 0;
  for (let at = ACK.length; at < end; at += 1) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return null;
    seq = seq * 10 + digit;
  }
  return isEnd(bytes, end) ? { event: 'ack', data: { seq } } : null;
}

/** The fields may stand in any order. The last of two with one name counts, as with JSON.parse. */
function scanSend(bytes: Buffer): ScannedFrame | null {
  let id: string | undefined;
  let to: string | undefined;
  let content: string | undefined;
  let at = SEND.length - 1;
  do {
    at += 1;
    const field = fieldAt(bytes, at);
    if (field === null) return null;
    const start = at + field.length;
    const end = plainEnd(bytes, start);
    if (end < 0) return null;
    // A slice of a longer string would keep all of it in memory, and an id is remembered for minutes.
    const value = bytes.toString('utf8', start, end);
    if (field === ID) id = value;
    else if (field === TO) to = value;
    else content = value;
    at = end + 1;
  } while (bytes[at] === COMMA);
  return isEnd(bytes, at) ? { event: 'send', data: { id, to, content } } : null;
}

function fieldAt(bytes: Buffer, at: number): Buffer | null {
  if (isAt(bytes, at, ID)) return ID;
  if (isAt(bytes, at, TO)) return TO;
  return isAt(bytes, at, CONTENT) ? CONTENT : null;
}

/** Returns where the string ends that begins here; -1 if it does not end, or if it has an escape or a control byte. */
function plainEnd(bytes: Buffer, start: number): number {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte < BLANK || byte === BACKSLASH) return -1;
  }
  return -1;
}

function isAt(bytes: Buffer, at: number, part: Buffer): boolean {
  for (let index = 0; index < part.length; index += 1) if (bytes[at + index] !== part[index]) return false;
  return true;
}

/** Whether the object of the data and that of the frame end here, and nothing follows. */
function isEnd(bytes: Buffer, at: number): boolean {
  return at + 2 === bytes.length && bytes[at] === CLOSING_BRACE && bytes[at + 1] === CLOSING_BRACE;
}
