import { ChatError } from '../protocol/chat-error.js';
import type { Command, ServerCodec, Welcome } from '../protocol/frames.js';
import { isMessageId, toIsoTime, type Message, type Receipt } from '../protocol/message.js';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';

/**
 * The JSON protocol, `chat.v1.json` [protocol 4]. Frames are checked by hand: they are two or three strings, and a schema
 * library would cost as much as the rest of the relay. Unknown fields are ignored.
 */
export class JsonCodec implements ServerCodec {
  readonly protocol = 'json';

  /** Reads `{"event", "data"}`; throws a ChatError with the frame's id, if it has one. */
  decode(frame: string): Command {
    const { event, data } = parseFrame(frame);
    switch (event) {
      case 'send':
        return decodeSend(data);
      case 'broadcast':
        return { type: 'broadcast', content: contentOf(data), ...idOf(data) };
      case 'ack':
        return { type: 'ack', seq: seqOf(data) };
      default:
        throw new ChatError('UNKNOWN_EVENT', 'there is no such event; send one of send, broadcast, ack', {
          id: readableId(data),
        });
    }
  }

  // Messages and receipts are the frames that are written most: they are put together by hand, and only what people wrote is escaped.
  message({ id, from, to, content, sentAt }: Message, seq: number, late: boolean): string {
    return (
      `{"event":"message","data":{"seq":${seq},"id":"${id}","from":${JSON.stringify(from)},"to":${JSON.stringify(to)},` +
      `"content":${JSON.stringify(content)},"sentAt":"${toIsoTime(sentAt)}","stored":${late}}}`
    );
  }

  broadcast({ id, from, content, sentAt }: Omit<Message, 'to'>): string {
    return frameOf('message', { id, from, to: '*', content, sentAt: toIsoTime(sentAt), stored: false });
  }

  receipts(receipts: readonly Receipt[]): string {
    let data = '';
    for (const { id, status, sentAt, recipients } of receipts) {
      const count = recipients === undefined ? '' : `,"recipients":${recipients}`;
      data += `${data && ','}{"id":"${id}","status":"${status}","sentAt":"${toIsoTime(sentAt)}"${count}}`;
    }
    return `{"event":"receipts","data":[${data}]}`;
  }

  welcome(welcome: Welcome): string {
    return frameOf('welcome', { ...welcome, serverTime: toIsoTime(welcome.serverTime) });
  }

  caughtUp(delivered: number): string {
    return frameOf('caught-up', { delivered });
  }

  exception({ code, message, temporary, scope }: ChatError, id: string | undefined): string {
    return frameOf('exception', { status: 'error', code, message, temporary, scope, id });
  }
}

type Data = Readonly<Record<string, unknown>>;

function frameOf(event: string, data: unknown): string {
  return JSON.stringify({ event, data });
}

function parseFrame(frame: string): { event: string; data: Data } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(frame);
  } catch (cause) {
    throw new ChatError('BAD_FRAME', 'the frame is not JSON; send {"event": …, "data": {…}}', { cause });
  }
  const { event, data } = isObject(parsed) ? parsed : { event: undefined, data: undefined };
  if (typeof event !== 'string' || !isObject(data)) {
    throw new ChatError('BAD_FRAME', 'the frame needs an "event" and an object as "data"', {
      id: isObject(data) ? readableId(data) : undefined,
    });
  }
  return { event, data };
}

function decodeSend(data: Data): Command {
  const id = idOf(data);
  const content = contentOf(data);
  if (typeof data['to'] !== 'string') throw new ChatError('BAD_FRAME', '"to" has to be a string', id);
  const to = parseUserName(data['to']);
  if (to === null) throw new ChatError('BAD_RECIPIENT', `${USER_NAME_RULE}; correct "to"`, id);
  return { type: 'send', to, content, ...id };
}

function idOf(data: Data): { id?: string } {
  const id = data['id'];
  if (id === undefined) return {};
  if (isMessageId(id)) return { id };
  throw new ChatError('BAD_FRAME', '"id" has to be 1 to 64 of A-Z a-z 0-9 _ -');
}

function contentOf(data: Data): string {
  const content = data['content'];
  // An escape like \ud800 can write half a character, which no UTF-8 can carry on to the recipient.
  if (typeof content === 'string' && content.isWellFormed()) return content;
  throw new ChatError('BAD_FRAME', '"content" has to be a string of whole characters', { id: readableId(data) });
}

function seqOf(data: Data): number {
  const seq = data['seq'];
  if (Number.isSafeInteger(seq) && (seq as number) >= 0) return seq as number;
  throw new ChatError('BAD_FRAME', '"seq" has to be a whole number');
}

function readableId(data: Data): string | undefined {
  return isMessageId(data['id']) ? data['id'] : undefined;
}

function isObject(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
