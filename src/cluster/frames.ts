import type { Moment } from '../options/clock.js';
import type { Message } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';

/** A refusal on its way to another node. */
export interface WireRefusal {
  readonly code: string;
  readonly message: string;
  readonly scope?: string;
}

/**
 * What nodes write to each other over a link, in order: arrays whose first item names the frame. `n` is a number that
 * the edge gives: of a send, an attachment or a call.
 */
export type LinkFrame =
  // From an edge to a home.
  /** The clock of the edge, as a position, is only there where messages are recorded. */
  | readonly ['send', slot: number, stream: number, n: number, message: Message, isAwaited: boolean, clock?: number]
  | readonly [
      'attach',
      n: number,
      user: string,
      connectionId: string,
      opened: Moment,
      firstSeq: number,
      protocol: 'text' | 'json',
    ]
  | readonly ['confirm', n: number, seq: number]
  | readonly ['detach', n: number]
  // From a home to an edge.
  | readonly [
      'receipt',
      slot: number,
      n: number,
      status: 'delivered' | 'stored' | 'absent',
      sentAt: number,
      repeated: boolean,
      position?: string,
    ]
  | readonly ['refused', slot: number, n: number, refusal: WireRefusal]
  /** The home does not serve the slot: it refuses this stream from now on. */
  | readonly ['moved', slot: number, stream: number]
  /** The home serves these slots from now on. */
  | readonly ['serving', slots: readonly number[]]
  | readonly ['opened', n: number, pending: number | null]
  | readonly ['message', n: number, seq: number, delayed: boolean, isAwaited: boolean, message: Message]
  | readonly ['caught-up', n: number, delivered: number]
  | readonly ['signal-to', n: number, signal: Signal]
  | readonly ['news-to', n: number, news: News]
  /** The home ends the attachment: the connection was replaced, or an administrator closes it. */
  | readonly ['close', n: number, code: number, reason: string]
  /** The home does not serve the user, or not any more: the edge attaches again where the slot is. */
  | readonly ['unattached', n: number]
  // From any node to any other. The number of a call is 0 when nobody waits for the answer.
  | readonly ['call', n: number, name: string, argument: unknown]
  | readonly ['answer', n: number, result: unknown]
  | readonly ['failed', n: number, refusal: WireRefusal];
