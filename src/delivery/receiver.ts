import type { Broadcast } from '../connections/broadcast.js';
import type { Moment } from '../options/clock.js';
import type { Message } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';

/** Receives the messages of its user's mailbox: a connection, of this process or of another node. */
export interface Receiver {
  readonly id: string;
  readonly user: string;
  /** When it was opened, by the clock of Postgres. Only there in a cluster, where one may attach late, or again. */
  readonly opened?: Moment;
  readonly isOpen: boolean;
  /** Called first. `pending` messages wait in the store; null when the disk could not be read. */
  onOpened(pending: number | null): void;
  /**
   * `delayed`: the message had to wait, in the store or behind others. `isAwaited`: its confirmation is needed soon, as
   * its sender waits for the receipt, it is in the store, or the window is half full.
   */
  onMessage(message: Message, seq: number, delayed: boolean, isAwaited: boolean): void;
  /** Returns false when it takes no more broadcasts for now. */
  onBroadcast(broadcast: Broadcast): boolean;
  onCaughtUp(delivered: number): void;
  /** Returns false when the signal would come late or never. */
  writeSignal(signal: Signal): boolean;
  /** Tells news, if the connection can be told now. */
  writeNews(news: News): void;
  close(code: number, reason: string): void;
  /** Its mailbox is not served here any more. Only what can be attached elsewhere is told. */
  onReleased?(): void;
}

/** Whether the first of two receivers of a user was certainly opened after the second. */
export function isNewer({ opened: one }: Receiver, { opened: other }: Receiver): boolean {
  return one !== undefined && other !== undefined && one.at - one.errorMs > other.at + other.errorMs;
}
