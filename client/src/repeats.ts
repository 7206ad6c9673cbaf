import type { ReceivedMessage } from './api.js';
import { keyOf, type MessageKey } from './store.js';

/** How many are remembered. A repeat of an earlier one has no mark; two tabs that both hand are seldom so far apart. */
const MAX_KEPT = 2_000;

/**
 * Returns a function that marks a message which this page was handed before, by its own connection or beside another
 * tab. A tab that hung may wake just when another one takes over. For a moment both hand the same messages, and neither
 * knows how far the other one is.
 */
export function repeatMarker(): (message: ReceivedMessage) => ReceivedMessage {
  const handed = new Set<MessageKey>();
  return (message) => {
    const key = keyOf(message);
    if (handed.has(key)) return { ...message, redelivered: true };
    handed.add(key);
    const [oldest] = handed;
    if (handed.size > MAX_KEPT) handed.delete(oldest!);
    return message;
  };
}
