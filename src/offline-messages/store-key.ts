import type { StoredKey, StoreRequest } from '../delivery/mailbox-store.js';

/**
 * Identifies a message by its mailbox, sender and the sender's id for it: two with the same are one message, sent
 * twice.
 */
export type MessageKey = Pick<StoredKey, 'mailbox' | 'from' | 'id'>;

export function messageKey({ mailbox, message: { from, id } }: StoreRequest): MessageKey {
  return { mailbox, from, id };
}

/** A row whose commit was reported as failed, and where it would stand in the record; undefined if it is not of it. */
export interface UnconfirmedKey extends StoredKey {
  readonly to: string;
  readonly recordPosition: number | undefined;
}

/** The key of the row that a request becomes at its current position. */
export function rowKey(request: StoreRequest): UnconfirmedKey {
  const { position, needsRecord = false, message } = request;
  const recordPosition = needsRecord ? message.extras?.position : undefined;
  return { ...messageKey(request), position, to: message.to, recordPosition };
}

/** The key as one string, for a Map. Names and ids contain no line break. */
export function messageKeyText({ mailbox, from, id }: MessageKey): string {
  return `${mailbox}\n${from}\n${id}`;
}

/** The same for a row. */
export function rowKeyText(row: StoredKey): string {
  return `${row.position}\n${messageKeyText(row)}`;
}
