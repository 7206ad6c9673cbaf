import type { StoredKey, StoreRequest } from '../delivery/mailbox-store.js';

/**
 * Identifies a message by its mailbox, sender and the sender's id for it: two with the same are one message, sent
 * twice.
 */
export type MessageKey = Pick<StoredKey, 'mailbox' | 'from' | 'id'>;

export function messageKey({ mailbox, message: { from, id } }: StoreRequest): MessageKey {
  return { mailbox, from, id };
}

/** The key of the row that a request becomes at its current position. */
export function rowKey(request: StoreRequest): StoredKey {
  return { ...messageKey(request), position: request.position };
}

/** The key as one string, for a Map. Names and ids contain no line break. */
export function messageKeyText({ mailbox, from, id }: MessageKey): string {
  return `${mailbox}\n${from}\n${id}`;
}

/** The same for a row. */
export function rowKeyText(row: StoredKey): string {
  return `${row.position}\n${messageKeyText(row)}`;
}
