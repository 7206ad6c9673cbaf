import type { Message } from '../protocol/message.js';
import type { Ledger } from './ledger.js';
import type { Mailbox } from './mailbox.js';
import type { MailboxStore } from './mailbox-store.js';

/** What all mailboxes share. */
export interface MailboxContext {
  readonly store: MailboxStore;
  readonly ledger: Ledger;
  readonly ackWindow: number;
  /** Nothing is written to anybody before it is stored (`persistAfterMs: 0`). */
  readonly persistFirst: boolean;
  /** Sweeps so far. */
  readonly sweeps: number;
  /** Position of the last message that was accepted into any mailbox. */
  readonly lastPosition: number;
  /** The mailbox has messages that are in memory only. */
  onUnstored(mailbox: Mailbox): void;
  /** A page could not be read; `retry` is to be called after a while. */
  onReadFailed(error: unknown, retry: () => void): void;
  onRefused(message: Message): void;
  /** A message was read from the disk: a repeat of it is known from here on. */
  onRead(message: Message): void;
  /** Nobody reads the mailbox and nothing of it is in memory: it may be thrown away. */
  onIdle(mailbox: Mailbox): void;
}
