import type { WebSocket } from 'ws';
import type { Connection } from '../connections/connection.js';
import { Hold } from '../connections/reading.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { ChatOptions } from '../options/chat.options.js';
import { CloseCode } from '../protocol/close-code.js';
import type { SendQueue } from './send-queue.js';

/** Time between two groups that are told, in milliseconds. */
const STEP_MS = 50;
/** So many are told at once, however few there are. */
const LEAST_PER_STEP = 100;

/** Clients come back over so many seconds at least, and over more when there are more than come back in these. */
const LEAST_SPREAD_SECONDS = 4;
const RETURNS_PER_SECOND = 1_000;

/** A connection, and what it sent that was not taken yet. */
export interface Client {
  readonly connection: Connection;
  readonly queue: SendQueue;
}

/**
 * Says goodbye to every client, with 1001 and when to come back, and waits until they are gone: group after group, over the
 * first half of `drainMs` at most, so that neither their goodbyes nor their returns come in one turn. At the end of
 * `drainMs` whoever has not answered is cut off.
 *
 * What was read from a client has its receipt before its goodbye, unless the disk, or the policy of the application, takes
 * longer than half of `drainMs`. What comes from it behind the goodbye is taken and stored, and its receipt has no way
 * left: the sender sends it again.
 */
export async function drain(
  clients: ReadonlyMap<WebSocket, Client>,
  delivery: DeliveryService,
  { clock, drainMs }: ChatOptions,
): Promise<void> {
  const gone = new Map<WebSocket, Promise<void>>();
  const untold = () => [...clients].filter(([socket]) => !gone.has(socket));
  const spreadSeconds = Math.max(LEAST_SPREAD_SECONDS, Math.ceil(clients.size / RETURNS_PER_SECOND));
  let stepsLeft = Math.max(1, Math.floor(drainMs / 2 / STEP_MS));
  let cancelHalf = () => undefined as void;
  const halfOver = new Promise<void>((resolve) => {
    cancelHalf = clock.after(drainMs / 2, () => {
      stepsLeft = 1; // The disk was slower than the steps.
      resolve();
    });
  });
  const cancelEnd = clock.after(drainMs, () => {
    for (const socket of clients.keys()) socket.terminate();
  });
  for (let waiting = untold(); waiting.length > 0; waiting = untold()) {
    const group = waiting.slice(0, Math.max(LEAST_PER_STEP, Math.ceil(waiting.length / stepsLeft)));
    stepsLeft = Math.max(1, stepsLeft - 1);
    const isLast = group.length === waiting.length;
    const nextStep = isLast ? null : new Promise<void>((resolve) => clock.after(STEP_MS, resolve));
    const taken = group.map(([socket, { connection, queue }]) => {
      gone.set(socket, ended(socket));
      connection.reading.hold(Hold.GOODBYE); // Read while it is settled, a message would miss its receipt.
      return queue.flush();
    });
    await Promise.race([Promise.all(taken).then(() => delivery.settle()), halfOver]);
    for (const [, { connection }] of group) connection.close(CloseCode.GOING_AWAY, goodbye(spreadSeconds));
    await nextStep;
  }
  await Promise.all(gone.values());
  cancelHalf();
  cancelEnd();
}

/** The reason of the close frame; its last word is for the client [protocol 9]. */
function goodbye(spreadSeconds: number): string {
  return `the server is going away; retry-after=${1 + Math.floor(Math.random() * spreadSeconds)}`;
}

/** Not `once` of node:events: it rejects when the peer breaks the protocol on its way out. */
function ended(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
