import type { Message } from './message.js';
import type { WireEnding } from './wire.js';

/** A mark that has moved, and is committed: how far `user` has come in the conversation with `with`, as positions. */
export interface MovedMark {
  readonly user: string;
  readonly with: string;
  readonly delivered?: number;
  readonly read?: number;
}

/**
 * What a user is told beside messages, on each JSON connection that can be told then: what became of stored messages, a
 * mark of theirs or of the other side, or a recorded message that they have sent from another connection. It is a hint,
 * at most once: nothing is kept for who is away or does not read.
 */
export type News =
  { readonly endings: readonly WireEnding[] } | { readonly mark: MovedMark } | { readonly echo: Message };
