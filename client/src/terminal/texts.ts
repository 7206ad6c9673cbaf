import type { PendingMessage, ReceiptEvent, ReceivedMessage, StateChange } from '../api.js';

/** Longest part of a message that a line about it repeats, in characters. */
const MAX_EXCERPT = 60;

/**
 * What a terminal would obey, or what hides or turns around what it shows: control and format characters, line
 * separators, halves of characters. Two joiners are left, as names and emoji need them and they do neither.
 */
const OBEYED = /\r\n|[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

/** Shows all that is in a text, as characters that a terminal only draws. `lineBreak` stands for a line break. */
export function visible(text: string, lineBreak = '␊'): string {
  return text.replaceAll(OBEYED, (character) => {
    if (character === '\n' || character === '\r\n') return lineBreak;
    const code = character.codePointAt(0)!;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return '␡';
    return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
  });
}

/** When a message was sent: the time of day here, with the date unless that is today. */
export function timeOf(sentAt: string, now: Date): string {
  const at = new Date(sentAt);
  if (Number.isNaN(at.getTime())) return sentAt;
  const two = (number: number) => String(number).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** A message that came. `time` is its `sentAt` as it is to be shown. */
export function messageText({ from, to, content, redelivered }: ReceivedMessage, time: string): string {
  const again = redelivered ? ' (again)' : '';
  return `${time} ${from}${to === '*' ? ' to all' : ''}${again}: ${content}`;
}

const OUTCOMES: Readonly<
  Record<Exclude<ReceiptEvent['status'], 'refused' | 'broadcast'>, [mark: string, what: string]>
> = {
  delivered: ['✓✓', ''],
  stored: ['✓', ' (stored: waits for them)'],
  expired: ['✗', ' (expired before they came)'],
  purged: ['✗', ' (removed by an administrator)'],
  evicted: ['✗', ' (pushed out of a full mailbox)'],
  replaced: ['✗', ' (replaced by a newer one)'],
  absent: ['✗', ' (they were not there)'],
};

/** What became of a message. `written` is null for one that is not remembered. */
export function receiptText(receipt: ReceiptEvent, written: PendingMessage | null): string {
  const about = `${receipt.to ?? 'all'}: ${written ? excerptOf(written.content) : 'an earlier message'}`;
  if (receipt.status === 'refused') return `✗ ${about} (refused: ${receipt.code}: ${receipt.message})`;
  if (receipt.status === 'broadcast') return `✓ ${about} (connections: ${receipt.recipients})`;
  const [mark, what] = OUTCOMES[receipt.status];
  return `${mark} ${about}${what}`;
}

function excerptOf(content: string): string {
  const beginning = content.slice(0, MAX_EXCERPT * 8);
  const characters = Array.from(new Intl.Segmenter().segment(beginning), ({ segment }) => segment);
  if (beginning === content && characters.length <= MAX_EXCERPT) return content;
  return `${characters.slice(0, MAX_EXCERPT).join('')}…`;
}

/** Why there is no connection. `address` is that of the socket. */
export function failureText({ state, why, code }: StateChange, address: string): string {
  if (code === null && state !== 'stopped') return `there is no server at ${address}`;
  return code !== null && code < 1_000 ? `${address} refuses the connection: ${why} (${code})` : `${address}: ${why}`;
}

/** What stands before the line that is typed; it tells how things are. `now` is in milliseconds since 1970. */
export function promptText({ state, retryAt }: StateChange, user: string, waiting: number, now: number): string {
  if (state === 'online') return `${user}> `;
  const seconds = Math.max(0, Math.ceil(((retryAt ?? now) - now) / 1_000));
  const next = state === 'waiting' && seconds > 0 ? `offline, next try in ${seconds} s` : 'connecting';
  return `${user} (${next}${waiting > 0 ? `, to send: ${waiting}` : ''})> `;
}

export const HELP = `NAME|TEXT  sends to one person      |TEXT  to the same person again      TEXT  to everybody who is there
✓ waits for them on the server      ✓✓ they have it      ✗ they do not get it
/quit or Ctrl-D ends; what was not sent yet is kept for the next time`;
