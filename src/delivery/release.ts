import { CONFIRM_MS } from '../connections/ending.js';
import type { ChatOptions } from '../options/chat.options.js';
import type { Clock } from '../options/clock.js';
import type { Message } from '../protocol/message.js';
import type { HeldMessage } from './held-message.js';
import type { Mailbox } from './mailbox.js';
import type { MailboxStore } from './mailbox-store.js';
import type { OutcomeListener } from './pending-receipt.js';

/** Pause between two looks at what a release waits for, in milliseconds. */
const STEP_MS = 10;

/** A message without an outcome, and a sender who waits for it. */
export interface Unsettled {
  readonly message: Message;
  readonly listener: OutcomeListener;
}

/**
 * Resolves when nothing of these mailboxes is in flight to anybody who confirms, or `persistAfterMs` has passed, or a
 * second if that is more. Whoever has been silent for that time already is not waited for: a slot that moves is not served.
 */
export async function untilConfirmed(
  mailboxes: readonly Mailbox[],
  { clock, persistAfterMs }: ChatOptions,
): Promise<void> {
  const withinMs = Math.max(persistAfterMs, CONFIRM_MS);
  const end = clock.monotonic() + withinMs;
  const isAwaited = ({ readers }: Mailbox) => [...readers].some((reader) => reader.isConfirming(withinMs));
  while (clock.monotonic() < end && mailboxes.some(isAwaited)) await pause(clock);
}

/** Stores or ends what these mailboxes have in memory from or to a user; returns them behind the given ones. */
export function persistOf(
  user: string,
  mailboxes: Iterable<Mailbox>,
  tick: number,
  relayed: readonly HeldMessage[] = [],
): HeldMessage[] {
  const ofUser = [...mailboxes].flatMap((mailbox) => {
    const held = [...mailbox.held].filter(({ from, to }) => from === user || to === user);
    if (held.length > 0) mailbox.persist(tick);
    return held;
  });
  return [...relayed, ...ofUser];
}

/** Flushes until that is enough, at least once. Rejects when the signal is aborted meanwhile. */
export async function flushWhile(
  isAnyLeft: () => boolean,
  store: Pick<MailboxStore, 'flush'>,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  await store.flush();
  while (isAnyLeft()) {
    signal?.throwIfAborted();
    await pause(clock);
    await store.flush();
  }
}

/** Waits for a moment between two looks. */
export function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.after(STEP_MS, resolve));
}

/** Takes the senders off messages that will have no outcome here, and returns both, in the order of the messages. */
export function unsettledOf(held: readonly HeldMessage[]): Unsettled[] {
  return held
    .toSorted((one, other) => one.position - other.position)
    .flatMap(({ message, pendingReceipt }) =>
      (pendingReceipt?.abandon() ?? []).map((listener) => ({ message, listener })),
    );
}
