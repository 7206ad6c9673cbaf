import { errors, type ChatError } from '../protocol/chat-error.js';
import type { ClientFrame, RecordAnswer, RecordFrame, ServerCodec, Welcome } from '../protocol/frames.js';
import { isMessageId, toIsoTime, type Message, type MessageExtras, type Receipt } from '../protocol/message.js';
import type { MovedMark, News } from '../protocol/news.js';
import { positionText } from '../protocol/position.js';
import {
  checkCallId,
  checkConversations,
  checkHistory,
  checkRead,
  checkSync,
  type HistoryRequest,
} from '../protocol/record-request.js';
import { checkBroadcast, checkSend, type WrittenRequest } from '../protocol/send-request.js';
import { checkSignal, type Signal, type SignalRequest } from '../protocol/signal.js';
import type { ServerEvents, WireMark } from '../protocol/wire.js';
import { scanFrame } from './frame-scanner.js';

/**
 * The JSON protocol, `chat.v1.json` [protocol 4]. Frames are checked by hand: they are two or three strings, and
 * checking them with a schema library would cost as much as the rest of the relay. Unknown fields are ignored.
 */
export class JsonCodec implements ServerCodec {
  readonly protocol = 'json';

  /** Reads a frame `{"event", "data"}` of this user; throws a ChatError with the id that the frame has, if any. */
  decode(frame: Buffer, user: string): ClientFrame {
    const { event, data }: Frame = scanFrame(frame) ?? parseFrame(frame.toString());
    switch (event) {
      case 'send':
        return checkSend(data, user);
      case 'broadcast':
        return checkBroadcast(data, user);
      case 'ack':
        return { seq: seqOf(data) };
      case 'ping':
        return { event: 'ping' };
      case 'signal':
        return { event: 'signal', signal: checkSignal(data, user) };
      case 'renew':
        return { event: 'renew', token: tokenOf(data) };
      case 'history':
      case 'sync':
      case 'conversations':
      case 'read':
        return recordFrameOf(event, data);
      default:
        throw errors.unknownEvent(readableId(data));
    }
  }

  // Most frames are messages and receipts, so these are concatenated by hand. Only text that people wrote is quoted.
  message({ id, from, to, content, sentAt, extras }: Message, seq: number, delayed: boolean): string {
    return (
      `{"event":"message","data":{"seq":${seq},"id":"${id}","from":${quote(from)},"to":${quote(to)},` +
      `"content":${quote(content)},"sentAt":"${toIsoTime(sentAt)}","stored":${delayed}${fieldsOf(extras)}}}`
    );
  }

  /** A message that this user has sent from another connection. */
  private echo({ id, from, to, content, sentAt, extras }: Message): string {
    return (
      `{"event":"message","data":{"id":"${id}","from":${quote(from)},"to":${quote(to)},` +
      `"content":${quote(content)},"sentAt":"${toIsoTime(sentAt)}","stored":false,"echo":true${fieldsOf(extras)}}}`
    );
  }

  broadcast({ id, from, content, sentAt, extras }: Omit<Message, 'to'>): string {
    return (
      `{"event":"message","data":{"id":"${id}","from":${quote(from)},"to":"*",` +
      `"content":${quote(content)},"sentAt":"${toIsoTime(sentAt)}","stored":false${fieldsOf(extras)}}}`
    );
  }

  // The data is pasted: it was checked, and written as JSON, when it came.
  signal({ from, kind, data }: Signal): string {
    const more = data === undefined ? '' : `,"data":${data}`;
    return `{"event":"signal","data":{"from":${quote(from)},"kind":"${kind}"${more}}}`;
  }

  receipts(receipts: readonly Receipt[]): string {
    let data = '';
    for (const { id, status, sentAt, recipients, position } of receipts) {
      const count = recipients === undefined ? '' : `,"recipients":${recipients}`;
      const place = position === undefined ? '' : `,"position":"${position}"`;
      data += `${data && ','}{"id":"${id}","status":"${status}","sentAt":"${toIsoTime(sentAt)}"${count}${place}}`;
    }
    return `{"event":"receipts","data":[${data}]}`;
  }

  news(news: News, user: string): string {
    if ('endings' in news) return frameOf('endings', news.endings);
    return 'echo' in news ? this.echo(news.echo) : frameOf('mark', markFor(user, news.mark));
  }

  welcome(welcome: Welcome): string {
    return frameOf('welcome', { ...welcome, serverTime: toIsoTime(welcome.serverTime) });
  }

  caughtUp(delivered: number): string {
    return frameOf('caught-up', { delivered });
  }

  record({ event, data }: RecordAnswer): string {
    return frameOf(event, data);
  }

  pong(): string {
    return frameOf('pong', {});
  }

  renewed(expiresAt: number | null): string {
    return frameOf('renewed', { expiresAt: expiresAt === null ? null : toIsoTime(Math.min(expiresAt, LAST_TIME_MS)) });
  }

  exception({ code, message, temporary, scope }: ChatError, id: string | undefined): string {
    return frameOf('exception', { status: 'error', code, message, temporary, scope, id });
  }
}

type Data = WrittenRequest &
  Readonly<Partial<Record<keyof SignalRequest | 'seq' | 'token' | keyof HistoryRequest | 'upTo', unknown>>>;

interface Frame {
  readonly event: string;
  readonly data: Data;
}

/** The last time that a Date can hold. A token may name any number. */
const LAST_TIME_MS = 8_640_000_000_000_000;

/** What JSON.stringify writes as an escape, and the halves of characters, of which it escapes those that are alone. */
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** Returns the text as a string of JSON. Most text has nothing to escape, and to see that takes half of the time. */
function quote(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** Returns the fields of the extras, each behind a comma. `meta` is JSON already. */
function fieldsOf(extras: MessageExtras | undefined): string {
  if (extras === undefined) return '';
  const { meta, expiresAt, topic, urgency, position } = extras;
  let fields = meta === undefined ? '' : `,"meta":${meta}`;
  if (expiresAt !== undefined) fields += `,"expiresAt":"${toIsoTime(expiresAt)}"`;
  if (topic !== undefined) fields += `,"topic":"${topic}"`;
  if (urgency !== undefined) fields += `,"urgency":"${urgency}"`;
  return position === undefined ? fields : `${fields},"position":"${positionText(position)}"`;
}

/** Returns a mark as one side of the conversation sees it. */
function markFor(user: string, { user: moved, with: other, delivered, read }: MovedMark): WireMark {
  return {
    with: moved === user ? other : moved,
    user: moved,
    ...(delivered !== undefined && { delivered: positionText(delivered) }),
    ...(read !== undefined && { read: positionText(read) }),
  };
}

function frameOf<Event extends keyof ServerEvents>(event: Event, data: ServerEvents[Event]): string {
  return JSON.stringify({ event, data });
}

function parseFrame(frame: string): Frame {
  let parsed: unknown;
  try {
    parsed = JSON.parse(frame);
  } catch (cause) {
    throw errors.notJson(cause);
  }
  const { event, data } = isObject(parsed) ? parsed : { event: undefined, data: undefined };
  if (typeof event === 'string' && isObject(data)) return { event, data };
  throw errors.noEvent(isObject(data) ? readableId(data) : undefined);
}

function recordFrameOf(event: RecordFrame['event'], data: Data): RecordFrame {
  if (event === 'read') return { event, request: checkRead(data) };
  const id = checkCallId(data.id);
  if (event === 'history') return { event, id, request: checkHistory(data, id) };
  if (event === 'sync') return { event, id, request: checkSync(data, id) };
  return { event, id, request: checkConversations(data, id) };
}

function seqOf(data: Data): number {
  const { seq } = data;
  if (Number.isSafeInteger(seq) && (seq as number) >= 0) return seq as number;
  throw errors.badField('seq', 'has to be a whole number');
}

function tokenOf({ token }: Data): string {
  if (typeof token === 'string') return token;
  throw errors.badField('token', 'has to be a string');
}

function readableId(data: Data): string | undefined {
  return isMessageId(data.id) ? data.id : undefined;
}

function isObject(value: unknown): value is Data & Readonly<Partial<Record<'event' | 'data', unknown>>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
