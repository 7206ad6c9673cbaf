import { errors } from './chat-error.js';
import { isMessageId, MESSAGE_ID_RULE } from './message.js';
import { parseUserName } from './user-name.js';

/** A message that somebody asks to send: a connection, a REST call or the application. */
export interface SendRequest {
  /** The sender's user name. */
  readonly from: string;
  /** The recipient's user name; left out of a broadcast to everybody who is connected. */
  readonly to?: string | undefined;
  readonly content: string;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; made by the server if left out. A repeat with the same id is not accepted twice. */
  readonly id?: string | undefined;
}

/** A SendRequest as it was written, unchecked. */
export type WrittenRequest = Readonly<Partial<Record<keyof SendRequest, unknown>>>;

/** What content has to be, for error texts. */
export const CONTENT_RULE = 'has to be a string of whole characters';

/**
 * Whether this may be content. An escape like \ud800 writes half a character, which UTF-8 cannot carry to the
 * recipient.
 */
export function isContent(written: unknown): written is string {
  return typeof written === 'string' && written.isWellFormed();
}

/**
 * Returns a direct message with the recipient in its only spelling; throws a ChatError that names the first field that
 * is not valid. `from` is a valid name already: that of a connection's user, or one that `checkName` returned.
 */
export function checkSend(written: WrittenRequest, from: string): SendRequest & { readonly to: string } {
  const id = checkId(written.id);
  const content = checkContent(written.content, id);
  return { from, to: checkName(written.to, 'to', id), content, id };
}

/** Returns a broadcast, which has no recipient; throws a ChatError that names the first field that is not valid. */
export function checkBroadcast(written: WrittenRequest, from: string): SendRequest {
  const id = checkId(written.id);
  return { from, to: undefined, content: checkContent(written.content, id), id };
}

/** Returns a user name in its only spelling; throws a ChatError that names the field. */
export function checkName(written: unknown, field: string, id?: string): string {
  if (typeof written !== 'string') throw errors.badField(field, 'has to be a string', id);
  const name = parseUserName(written);
  if (name === null) throw errors.badName(written, `"${field}"`, id);
  return name;
}

/** Returns the length of the content in bytes of UTF-8; throws CONTENT_TOO_LARGE above the limit. */
export function checkSize({ content, id }: SendRequest, maxContentBytes: number): number {
  const bytes = Buffer.byteLength(content);
  if (bytes > maxContentBytes) throw errors.contentTooLarge(bytes, maxContentBytes, id);
  return bytes;
}

function checkId(written: unknown): string | undefined {
  if (written === undefined || isMessageId(written)) return written;
  throw errors.badField('id', MESSAGE_ID_RULE);
}

function checkContent(written: unknown, id: string | undefined): string {
  if (isContent(written)) return written;
  throw errors.badField('content', CONTENT_RULE, id);
}
