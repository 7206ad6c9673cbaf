import type { WebSocket } from 'ws';
import { Hold } from '../connections/reading.js';
import type { Delivery } from '../delivery/delivery.js';
import type { ChatOptions } from '../options/chat.options.js';
import { CloseCode } from '../protocol/close-code.js';
import type { SendQueue } from './send-queue.js';

/** Time between closing two groups, in milliseconds. */
const STEP_MS = 50;
/** A group has at least this many connections. */
const LEAST_PER_STEP = 100;

/** Clients reconnect over at least this many seconds, and over more if there are more of them than this rate allows. */
const LEAST_SPREAD_SECONDS = 4;
const RETURNS_PER_SECOND = 1_000;

/**
 * Closes every connection with 1001, tells it after how many seconds to reconnect, and waits until it is gone.
 * Connections are closed in groups, over at most the first half of `drainMs`, so that neither the closing nor the
 * reconnecting happens all at once. At the end of `drainMs` every client that has not replied to its close frame is cut
 * off.
 *
 * What was read from a client gets its receipt before the close frame, unless the disk or the application's policy
 * takes longer than half of `drainMs`. Messages that come after the close frame are accepted and stored, but their
 * receipts cannot be sent any more, so the sender sends them again.
 */
export async function drain(
  queues: ReadonlyMap<WebSocket, SendQueue>,
  delivery: Delivery,
  { clock, drainMs }: ChatOptions,
): Promise<void> {
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
    const flushed = group.map(([socket, queue]) => {
      gone.set(socket, ended(socket));
      queue.connection.reading.hold(Hold.DRAIN); // A message read during `delivery.settle` would get no receipt.
      return queue.flush();
    });
    await Promise.race([Promise.all(flushed).then(() => delivery.settle()), halfOver]);
    for (const [, { connection }] of group) connection.close(CloseCode.GOING_AWAY, reasonWithin(spreadSeconds));
    await nextStep;
  }
  await Promise.all(gone.values());
  cancelHalf();
  cancelEnd();
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
