import type { WebSocket } from 'ws';
import { CONFIRM_MS } from '../connections/ending.js';
import { Hold } from '../connections/reading.js';
import type { Delivery } from '../delivery/delivery.js';
import type { ChatOptions } from '../options/chat.options.js';
import { CloseCode } from '../protocol/close-code.js';
import type { SendQueue } from './send-queue.js';

/** Time between closing two groups, in milliseconds. */
const STEP_MS = 50;
/** A group has at least this many connections. */
const LEAST_PER_STEP = 100;

/** At most this share of `drainMs` is for clients to confirm what they got. */
const CONFIRM_SHARE = 1 / 5;

/** Clients reconnect over at least this many seconds, and over more if there are more of them than this rate allows. */
const LEAST_SPREAD_SECONDS = 4;
const RETURNS_PER_SECOND = 1_000;

/**
 * Closes every connection with 1001, tells it after how many seconds to reconnect, and waits until it is gone. Groups of
 * connections begin to close over at most the first half of `drainMs`, so that neither the closing nor the reconnecting
 * happens all at once. At the end of `drainMs` every client that has not replied to its close frame is cut off.
 *
 * A group that begins to close gets no more messages. Before the close frame its clients have `persistAfterMs`, or a
 * second if that is more, and at most a fifth of `drainMs`, to confirm those that they have. Otherwise these would come
 * again on the next connection.
 *
 * What was read from a client gets its receipt before the close frame, unless the disk or the application's policy
 * takes longer than half of `drainMs`. Messages that come after the close frame are accepted and stored, but their
 * receipts cannot be sent any more, so the sender sends them again.
 */
export async function drain(
  queues: ReadonlyMap<WebSocket, SendQueue>,
  delivery: Delivery,
  { clock, drainMs, persistAfterMs }: ChatOptions,
): Promise<void> {
  const confirmMs = Math.min(Math.max(CONFIRM_MS, persistAfterMs), drainMs * CONFIRM_SHARE);
  const gone = new Map<WebSocket, Promise<void>>();
  const remaining = () => [...queues].filter(([socket]) => !gone.has(socket));
  const spreadSeconds = Math.max(LEAST_SPREAD_SECONDS, Math.ceil(queues.size / RETURNS_PER_SECOND));
  let stepsLeft = Math.max(1, Math.floor(drainMs / 2 / STEP_MS));
  let cancelHalf = () => undefined as void;
  const halfOver = new Promise<void>((resolve) => {
    cancelHalf = clock.after(drainMs / 2, () => {
      stepsLeft = 1; // The disk was too slow for the steps, so all that is left is closed in one step.
      resolve();
    });
  });
  const cancelEnd = clock.after(drainMs, () => {
    for (const socket of queues.keys()) socket.terminate();
  });
  for (let waiting = remaining(); waiting.length > 0; waiting = remaining()) {
    const group = waiting.slice(0, Math.max(LEAST_PER_STEP, Math.ceil(waiting.length / stepsLeft)));
    stepsLeft = Math.max(1, stepsLeft - 1);
    const isLast = group.length === waiting.length;
    const nextStep = isLast ? null : new Promise<void>((resolve) => clock.after(STEP_MS, resolve));
    for (const [socket] of group) gone.set(socket, ended(socket));
    const queuesOfGroup = group.map(([, queue]) => queue);
    void closeGroup(queuesOfGroup, delivery, confirmMs, halfOver, spreadSeconds);
    await nextStep;
  }
  await Promise.all(gone.values());
  cancelHalf();
  cancelEnd();
}

/** Closes some connections when their clients have confirmed what they got, and have their receipts. It never rejects. */
async function closeGroup(
  queues: readonly SendQueue[],
  delivery: Delivery,
  confirmMs: number,
  halfOver: Promise<void>,
  spreadSeconds: number,
): Promise<void> {
  await Promise.all(queues.map(({ connection }) => connection.finish(confirmMs)));
  // A message read during `delivery.settle` would get no receipt.
  for (const { connection } of queues) connection.reading.hold(Hold.DRAIN);
  const flushed = Promise.all(queues.map((queue) => queue.flush()));
  await Promise.race([flushed.then(() => delivery.settle()), halfOver]);
  for (const { connection } of queues) connection.close(CloseCode.GOING_AWAY, reasonWithin(spreadSeconds));
}

/** Returns the reason of the close frame. Its last word is for the client program [protocol 9]. */
function reasonWithin(spreadSeconds: number): string {
  return `the server is going away; retry-after=${1 + Math.floor(Math.random() * spreadSeconds)}`;
}

/**
 * Resolves when the socket is closed. `once` of node:events would reject if the peer breaks the protocol while it
 * closes.
 */
function ended(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
