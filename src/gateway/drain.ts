import type { WebSocket } from 'ws';
import { Hold } from '../connections/reading.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { ChatOptions } from '../options/chat.options.js';
import { CloseCode } from '../protocol/close-code.js';
import type { SendQueue } from './send-queue.js';

/** Time between two groups that are closed, in milliseconds. */
const STEP_MS = 50;
/** A group has at least this many connections. */
const LEAST_PER_STEP = 100;

/** Clients come back over at least this many seconds, and over more when there are more than come back in these. */
const LEAST_SPREAD_SECONDS = 4;
const RETURNS_PER_SECOND = 1_000;

/**
 * Closes every connection with 1001 and the seconds after which to come back, and waits until they are gone. They are
 * closed group after group, over the first half of `drainMs` at most, so that neither the closing nor the return of all
 * comes in one turn. At the end of `drainMs` whoever has not answered its close frame is cut off.
 *
 * What was read from a client has its receipt before its close frame, unless the disk, or the policy of the application,
 * takes longer than half of `drainMs`. What comes from it behind that is taken and stored, but its receipt can't be sent
 * any more: the sender sends it again.
 */
export async function drain(
  queues: ReadonlyMap<WebSocket, SendQueue>,
  delivery: DeliveryService,
  { clock, drainMs }: ChatOptions,
): Promise<void> {
  const gone = new Map<WebSocket, Promise<void>>();
  const remaining = () => [...queues].filter(([socket]) => !gone.has(socket));
  const spreadSeconds = Math.max(LEAST_SPREAD_SECONDS, Math.ceil(queues.size / RETURNS_PER_SECOND));
  let stepsLeft = Math.max(1, Math.floor(drainMs / 2 / STEP_MS));
  let cancelHalf = () => undefined as void;
  const halfOver = new Promise<void>((resolve) => {
    cancelHalf = clock.after(drainMs / 2, () => {
      stepsLeft = 1; // The disk was slower than the steps.
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
      queue.connection.reading.hold(Hold.DRAIN); // A message that is read during `settle` would get no receipt.
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

/** The reason of the close frame; its last word is for the client [protocol 9]. */
function reasonWithin(spreadSeconds: number): string {
  return `the server is going away; retry-after=${1 + Math.floor(Math.random() * spreadSeconds)}`;
}

/** Not `once` of node:events: it rejects when the peer breaks the protocol on its way out. */
function ended(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
