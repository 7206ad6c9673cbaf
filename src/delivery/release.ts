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

/** Resolves when nothing of these mailboxes is in flight to anybody, or `persistAfterMs` has passed. */
export async function untilConfirmed(
  mailboxes: readonly Mailbox[],
  { clock, persistAfterMs }: ChatOptions,
): Promise<void> {
  const end = clock.monotonic() + persistAfterMs;
  const isInFlight = ({ readers }: Mailbox) => [...readers].some(({ inFlightCount }) => inFlightCount > 0);
  while (clock.monotonic() < end && mailboxes.some(isInFlight)) await pause(clock);
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
