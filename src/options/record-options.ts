import type { ChatMessage } from '../protocol/chat-message.js';

/** What is recorded, and for how long. */
export interface RecordOptions {
  /** Milliseconds for which a message stays in the record. Range: 60,000 or more. */
  readonly keepMs: number;

  /**
   * Messages that one conversation may have in the record. The oldest above that are deleted within some minutes. Range:
   * 1 or more, `null` for no limit.
   * @default 100_000
   */
  readonly maxPerConversation: number | null;

  /**
   * Recorded conversations that one user may begin in 24 hours by what connections send. More are refused with
   * SENDER_QUOTA. A first message counts also when `of` leaves it out. Each process counts for itself, from its start
   * on. Range: 1 or more, `null` for no limit.
   * @default 100
   */
  readonly conversationsPerDay: number | null;

  /**
   * Whether a message is recorded. It is asked before anything is written, and has to return at once. If it throws, that
   * is logged, and the message is recorded.
   * @default every direct message
   */
  readonly of?: ((message: ChatMessage) => boolean) | undefined;
}

/** RecordOptions as they are given. What is left out has its default. */
export type GivenRecordOptions = Pick<RecordOptions, 'keepMs'> & Partial<RecordOptions>;
