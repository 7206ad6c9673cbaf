import type { MailboxKey } from '../delivery/mailbox-store.js';
import type { WaitingListener } from './waiting-listeners.js';

/**
 * A time in which something waits for one user, and of which the listeners may have to be told.
 * - `waiting`: it has a time in the queue, at which it is looked at
 * - `checking`: its state is being read from the store
 * - `ready`: the listeners are told as soon as it is its turn
 * - `telling`: they are being told
 * - `over`: it ended while they were being told
 */
export interface Spell {
  readonly mailbox: MailboxKey;
  state: 'waiting' | 'checking' | 'ready' | 'telling' | 'over';
  /** A message was stored while the spell was not `waiting`, so it is looked at once more. */
  hasNews: boolean;
  /** A message that is urgent came, so the listeners are told at once. */
  isUrgent: boolean;
  failures: number;
  /** The listeners that were not called with success. */
  untold: readonly WaitingListener[];
}
