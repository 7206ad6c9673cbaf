import type { Message, Urgency } from './message.js';

/** What names a message, without what it says. */
export type MessageHeader = Omit<Message, 'content' | 'extras'>;

/** A message, with what its sender has added. */
export interface ChatMessage extends MessageHeader {
  readonly content: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** When its `ttl` is over, in milliseconds since 1970. */
  readonly expiresAt?: number;
  readonly topic?: string;
  readonly urgency?: Urgency;
}

/** Returns a message as the application sees it; only the fields that were given are there. */
export function toChatMessage({ extras, ...message }: Message): ChatMessage {
  if (extras === undefined) return message;
  const { meta, expiresAt, topic, urgency } = extras;
  return {
    ...message,
    ...(meta !== undefined && { meta: JSON.parse(meta) as Record<string, unknown> }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(topic !== undefined && { topic }),
    ...(urgency !== undefined && { urgency }),
  };
}
