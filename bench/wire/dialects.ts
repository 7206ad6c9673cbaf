import type { Dialect } from './dialect.js';
import { digitsAt, KEY_MASK, MARK, SEQ, seqAt, timeAt } from './frame-template.js';
import type { WsLink } from './ws-link.js';

/** First letter of the event in `{"event":"`, and of the first field in `{"event":"message","data":{"`. */
const EVENT_AT = 10;
const FIELD_AT = 28;
const LETTER_M = 0x6d;
const LETTER_R = 0x72;
const LETTER_S = 0x73;
const BRACKET = 0x5b;
const ID = Buffer.from('"id":"');
const FROM = Buffer.from('"from":"');
/** The length of every user name. */
const USER_LENGTH = 7;

/** `to|content` in, `content` out; no acknowledgement. A pong confirms for holdfast, which every client sends. */
export const text: Dialect = {
  path: (user) => `/chat?user=${user}`,
  readyAtOnce: true,
  acknowledges: false,
  direct: (to, content) => `${to}|${content}`,
  broadcast: (content) => content,
  onText(link, bytes, start, end) {
    if (!deliver(link, bytes, start, end)) link.refused(bytes, start, end);
  },
};

const json = {
  path: (user: string) => `/chat?user=${user}`,
  acknowledges: true,
  direct: (to: string, content: string) =>
    `{"event":"send","data":{"id":"${SEQ}","to":"${to}","content":"${content}"}}`,
  broadcast: (content: string) => `{"event":"broadcast","data":{"id":"${SEQ}","content":"${content}"}}`,
};

/**
 * Our JSON protocol: the recipient confirms with one ack for each chunk that it read, as the protocol allows [protocol
 * 4.3].
 */
export const holdfastJson: Dialect = {
  ...json,
  subprotocol: 'chat.v1.json',
  readyAtOnce: false,
  onText(link, bytes, start, end) {
    const event = bytes[start + EVENT_AT];
    if (event === LETTER_M) {
      if (bytes[start + FIELD_AT] === LETTER_S) link.unacknowledged = numberAt(bytes, start + FIELD_AT + 5);
      deliver(link, bytes, start, end);
    } else if (event === LETTER_R) acknowledgements(link, bytes, start, end);
    else if (bytes.toString('latin1', start, start + 17) === '{"event":"welcome') link.ready();
    else if (bytes.toString('latin1', start, start + 19) === '{"event":"exception') link.refused(bytes, start, end);
  },
  acknowledge(link) {
    link.say(`{"event":"ack","data":{"seq":${link.unacknowledged}}}`);
    link.unacknowledged = 0;
  },
};

/** A JSON relay. The recipient acknowledges each message, and its sender gets a frame for it. */
export const jsonAcks: Dialect = {
  ...json,
  readyAtOnce: true,
  onText(link, bytes, start, end) {
    if (bytes[start + EVENT_AT] !== LETTER_M) return acknowledgements(link, bytes, start, end);
    deliver(link, bytes, start, end);
    const id = bytes.indexOf(ID, start) + ID.length;
    const from = bytes.indexOf(FROM, start) + FROM.length;
    link.say(
      `{"event":"ack","data":{"id":"${bytes.toString('latin1', id, id + SEQ.length)}","to":"${bytes.toString('latin1', from, from + USER_LENGTH)}"}}`,
    );
  },
};

/** A gateway that acknowledges to the sender only. */
export const nest: Dialect = {
  ...json,
  readyAtOnce: true,
  onText(link, bytes, start, end) {
    if (bytes[start + EVENT_AT] === LETTER_M) deliver(link, bytes, start, end);
    else acknowledgements(link, bytes, start, end);
  },
};

/** The packets of Engine.IO and Socket.IO that a client with only a WebSocket meets. */
export const socketIo: Dialect = {
  path: (user) => `/socket.io/?EIO=4&transport=websocket&user=${user}`,
  readyAtOnce: false,
  acknowledges: true,
  direct: (to, content) => `42${SEQ}["send",{"to":"${to}","content":"${content}"}]`,
  broadcast: (content) => `42${SEQ}["broadcast",{"content":"${content}"}]`,
  onText(link, bytes, start, end) {
    const type = bytes.toString('latin1', start, Math.min(start + 2, end));
    if (type === '42') {
      deliver(link, bytes, start, end);
      // A digit begins the id of an event that has to be acknowledged.
      if (bytes[start + 2] !== BRACKET) link.say(`43${numberAt(bytes, start + 2)}[]`);
    } else if (type === '43') link.events.onAck(link, numberAt(bytes, start + 2) & KEY_MASK);
    else if (type === '40') link.ready();
    else if (type === '2') link.say('3');
    else if (type === '0{') link.say('40');
    else link.refused(bytes, start, end);
  },
};

function deliver(link: WsLink, bytes: Buffer, start: number, end: number): boolean {
  const mark = bytes.indexOf(MARK, start);
  if (mark < 0 || mark >= end) return false;
  link.delivered(seqAt(bytes, mark), timeAt(bytes, mark));
  return true;
}

function acknowledgements(link: WsLink, bytes: Buffer, start: number, end: number): void {
  let at = bytes.indexOf(ID, start);
  if (at < 0 || at >= end) link.refused(bytes, start, end);
  for (; at >= 0 && at < end; at = bytes.indexOf(ID, at + ID.length)) {
    link.events.onAck(link, digitsAt(bytes, at + ID.length) & KEY_MASK);
  }
}

/** The number whose digits start here. */
function numberAt(bytes: Buffer, at: number): number {
  let value = 0;
  for (let offset = at; bytes[offset]! >= 48 && bytes[offset]! <= 57; offset += 1)
    value = value * 10 + bytes[offset]! - 48;
  return value;
}
